//! The feeds in PostgreSQL: what a connection has not seen yet, and how far each room has come.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use sqlx::{Postgres, pool::PoolConnection, query, query_as};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::frames::{Parting, event_frame};
use crate::{
    error::Error,
    generation::{Generation, Generations},
    metrics::METRICS,
    views::{EventData, EventView, Standing},
};

/// How many events a replay reads at a time: no connection to the database is held while they are written to the socket.
pub(super) const PAGE: i64 = 100;

/// How many missed events of a room are read for all who follow it.
const MISSED: i64 = 50;

/// Reads feeds with a part of the pool, so that however many clients come back at once, other reads go on.
#[derive(Clone)]
pub(super) struct Feeds {
    generations: Generations,
    permits: Arc<Semaphore>,
}

/// A part of a feed, as far as one user may read it.
pub(super) struct Replay {
    /// The version of the last event that the user may read.
    pub(super) head_v: i64,
    /// The frames after the wanted version, in order; not all of them if there are many.
    pub(super) events: Vec<(i64, Utf8Bytes)>,
    /// Whether there is more to read after these.
    pub(super) more: bool,
    /// The user is not inside any more, or the room has closed: the events end with the one that says so.
    pub(super) parted: Option<Parting>,
}

/// A row of the replay; without an event if there is none after the wanted version.
struct Row {
    head_v: i64,
    closed: bool,
    standing: Option<Standing>,
    v: Option<i64>,
    kind: Option<String>,
    at: Option<DateTime<Utc>>,
    by: Option<String>,
    data: Option<EventData>,
    command_id: Option<String>,
}

impl Feeds {
    pub(super) fn new(generations: Generations, pool_size: u32) -> Self {
        let permits = (pool_size / 2).max(1) as usize;
        Self { generations, permits: Arc::new(Semaphore::new(permits)) }
    }

    /// Which life of the log the feeds are of. As long as nobody knows, nobody can tell what a cursor means.
    pub(super) fn life(&self) -> Result<Arc<str>, Error> {
        Ok(self.generations.current()?.life())
    }

    /// Changes whenever they may be of another one.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Arc<Generation>>> {
        self.generations.changes()
    }

    /// A connection to the generation that is served now, when it is one's turn.
    pub(super) async fn connection(&self) -> Result<(OwnedSemaphorePermit, PoolConnection<Postgres>), Error> {
        let permit = self.permits.clone().acquire_owned().await.expect("permits are given for ever");
        loop {
            match self.generations.current()?.acquire().await {
                // the database is there and has a connection for each permit: only this process is slow
                Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)) if self.generations.is_reachable() => {}
                connection => return Ok((permit, connection?)),
            }
        }
    }

    /// Returns the events after a version, so many at most. A user who left or was kicked gets the event that says so
    /// and no other one.
    pub(super) async fn read(&self, room: &RoomId, user: &UserId, after_v: i64, most: i64) -> Result<Replay, Error> {
        let (permit, mut connection) = self.connection().await?;
        let rows = query_as!(
            Row,
            r#"
            select
                r.v as head_v,
                r.status = 'closed' as "closed!",
                m.standing as "standing?: Standing",
                e.v as "v?",
                e.type as "kind?",
                e.at as "at?",
                e.by as "by?",
                e.data as "data?: EventData",
                e.command_id as "command_id?"
            from rooms r
            left join members m on m.box_id = r.box_id and m.room_id = r.room_id and m.user_id = $3
            left join lateral (
                select p.v
                from room_events p
                where m.standing <> 'inside' and p.box_id = r.box_id and p.room_id = r.room_id
                    and p.type in ('member_left', 'member_kicked') and p.data ->> 'user_id' = m.user_id
                order by p.v desc
                limit 1
            ) as parting on true
            left join lateral (
                select *
                from room_events f
                where f.box_id = r.box_id and f.room_id = r.room_id
                    and f.v > greatest($4, parting.v - 1)
                    and f.v <= case when m.standing = 'inside' then 9223372036854775807 else parting.v end
                order by f.v
                limit $5
            ) as e on m.user_id is not null
            where r.box_id = $1 and r.room_id = $2
            order by e.v
            "#,
            room.box_id().as_str(),
            room.to_string(),
            user.as_str(),
            after_v,
            most,
        )
        .fetch_all(&mut *connection)
        .await?;
        drop((connection, permit));
        let replay = Replay::of(room, rows, most)?;
        METRICS.replay_pages.inc();
        METRICS.replay_events.inc_by(replay.events.len() as u64);
        Ok(replay)
    }

    /// The versions of the last events of these rooms.
    pub(super) async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<(RoomId, i64)>, Error> {
        let box_ids: Vec<String> = rooms.iter().map(|room| room.box_id().to_string()).collect();
        let room_ids: Vec<String> = rooms.iter().map(RoomId::to_string).collect();
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            "
            select r.room_id, r.v
            from unnest($1::text[], $2::text[]) as wanted (box_id, room_id)
            join rooms r on r.box_id = wanted.box_id and r.room_id = wanted.room_id
            ",
            &box_ids,
            &room_ids,
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.room_id.parse().ok()?, row.v))).collect())
    }
}

impl Feeds {
    /// The next events of these rooms after a version each, in order, as notices have them. Not all if there are many.
    pub(super) async fn missed(&self, rooms: &[(RoomId, i64)]) -> Result<Vec<(RoomId, String)>, Error> {
        let box_ids: Vec<String> = rooms.iter().map(|(room, _)| room.box_id().to_string()).collect();
        let room_ids: Vec<String> = rooms.iter().map(|(room, _)| room.to_string()).collect();
        let after: Vec<i64> = rooms.iter().map(|(_, after_v)| *after_v).collect();
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            r#"
            select e.room_id, e.v, e.type as kind, e.at, e.by, e.data as "data: EventData", e.command_id
            from unnest($1::text[], $2::text[], $3::bigint[]) as wanted (box_id, room_id, after_v)
            join room_events e on e.box_id = wanted.box_id and e.room_id = wanted.room_id
                and e.v > wanted.after_v and e.v <= wanted.after_v + $4
            order by e.room_id, e.v
            "#,
            &box_ids,
            &room_ids,
            &after,
            MISSED,
        )
        .fetch_all(&mut *connection)
        .await?;
        let event = rows.into_iter().filter_map(|row| {
            let view = EventView {
                v: row.v,
                kind: row.kind,
                at: row.at,
                by: row.by,
                data: row.data,
                command_id: row.command_id,
                head_v: row.v,
            };
            Some((row.room_id.parse().ok()?, serde_json::to_string(&view).ok()?))
        });
        Ok(event.collect())
    }
}

impl Replay {
    /// Returns whether the user is inside the room, or was when it closed.
    pub(super) fn is_of_inside(&self) -> bool {
        matches!(self.parted, None | Some(Parting::Closed))
    }

    fn of(room: &RoomId, rows: Vec<Row>, most: i64) -> Result<Self, Error> {
        let first = rows.first().ok_or(Error::RoomNotFound)?;
        let head_v = first.head_v;
        let parted = match first.standing.ok_or(Error::NotAMember)? {
            Standing::Inside => first.closed.then_some(Parting::Closed),
            Standing::Left => Some(Parting::Left),
            Standing::Kicked => Some(Parting::Kicked),
        };
        let events: Vec<_> = rows.into_iter().filter_map(|row| row.into_frame(room)).collect();
        let more = events.len() == usize::try_from(most).unwrap_or_default();
        let head_v = match (parted, events.last()) {
            (Some(Parting::Left | Parting::Kicked), Some((parting_v, _))) => *parting_v,
            _ => head_v,
        };
        Ok(Self { head_v, events, more, parted })
    }
}

impl Row {
    fn into_frame(self, room: &RoomId) -> Option<(i64, Utf8Bytes)> {
        let v = self.v?;
        let view = EventView {
            v,
            kind: self.kind?,
            at: self.at?,
            by: self.by,
            data: self.data?,
            command_id: self.command_id,
            head_v: self.head_v,
        };
        let frame = event_frame(room, &serde_json::to_string(&view).ok()?)?;
        Some((v, frame))
    }
}
