//! Reads of the feeds in PostgreSQL: the events that a connection has not received, and the head of each room.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use sqlx::{Postgres, pool::PoolConnection, query, query_as};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::frames::{UnsubscribeReason, event_frame};
use crate::{
    error::Error,
    generation::Generations,
    metrics::METRICS,
    views::{EventData, EventView, Standing},
};

/// The number of events that a replay reads at a time. No database connection is held while they are written to the
/// socket.
pub(super) const PAGE: i64 = 100;

/// The maximum number of missed events of a room that are read for all followers at once.
const MISSED_LIMIT: i64 = 50;

/// Reads feeds with at most half of the pool, so that other reads continue while many clients reconnect.
#[derive(Clone)]
pub(super) struct Feeds {
    generations: Generations,
    permits: Arc<Semaphore>,
}

/// A part of a feed, as far as one user may read it.
pub(super) struct Replay {
    /// The version of the last event that the user may read.
    pub(super) head_v: i64,
    /// The events after the wanted version as frames, in order. There may be more.
    pub(super) events: Vec<(i64, Utf8Bytes)>,
    /// True if there may be more events after these.
    pub(super) more: bool,
    /// The reason, if the user is not a member any more or the room is closed. The last event of the feed that the user
    /// may read is the one that says so.
    pub(super) end_reason: Option<UnsubscribeReason>,
}

/// A row of the replay. Without an event if there is none after the wanted version.
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

    /// Returns the incarnations of the log that the feeds come from, as one hash. Until it is known, cursors cannot be
    /// interpreted.
    pub(super) fn incarnation(&self) -> Result<Arc<str>, Error> {
        Ok(self.generations.current()?.incarnation())
    }

    /// Waits for a permit, then acquires a connection to the served generation.
    pub(super) async fn connection(&self) -> Result<(OwnedSemaphorePermit, PoolConnection<Postgres>), Error> {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.generations.current()?.acquire().await {
                // The database is reachable and has a connection for each permit, so that only this process is slow.
                Err(Error::DatabaseUnavailable(sqlx::Error::PoolTimedOut)) if self.generations.is_reachable() => {}
                connection => return Ok((permit, connection?)),
            }
        }
    }

    /// Reads the events after a version, at most `most`. A user who left or was kicked gets only the parting event. The
    /// id of a command is shown only to the user who sent it.
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
                case
                    when e.type = 'member_joined' then e.data || jsonb_build_object(
                        'nickname', (select u.nickname from users u where u.user_id = e.data ->> 'user_id')
                    )
                    else e.data
                end as "data?: EventData",
                case when e.by = $3 then e.command_id end as "command_id?"
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

    /// Returns the head versions of these rooms.
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
    /// Reads the next events of these rooms after a version each, in order and encoded as in notifications, with the
    /// ids of all commands. At most [`MISSED_LIMIT`] per room.
    pub(super) async fn missed(&self, rooms: &[(RoomId, i64)]) -> Result<Vec<(RoomId, String)>, Error> {
        let box_ids: Vec<String> = rooms.iter().map(|(room, _)| room.box_id().to_string()).collect();
        let room_ids: Vec<String> = rooms.iter().map(|(room, _)| room.to_string()).collect();
        let after: Vec<i64> = rooms.iter().map(|(_, after_v)| *after_v).collect();
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            r#"
            select
                e.room_id,
                e.v,
                e.type as kind,
                e.at,
                e.by,
                case
                    when e.type = 'member_joined' then e.data || jsonb_build_object(
                        'nickname', (select u.nickname from users u where u.user_id = e.data ->> 'user_id')
                    )
                    else e.data
                end as "data!: EventData",
                e.command_id
            from unnest($1::text[], $2::text[], $3::bigint[]) as wanted (box_id, room_id, after_v)
            join room_events e on e.box_id = wanted.box_id and e.room_id = wanted.room_id
                and e.v > wanted.after_v and e.v <= wanted.after_v + $4
            order by e.room_id, e.v
            "#,
            &box_ids,
            &room_ids,
            &after,
            MISSED_LIMIT,
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
    /// Returns true if the user is inside the room, or was when it closed.
    pub(super) fn is_member(&self) -> bool {
        matches!(self.end_reason, None | Some(UnsubscribeReason::Closed))
    }

    fn of(room: &RoomId, rows: Vec<Row>, most: i64) -> Result<Self, Error> {
        let first = rows.first().ok_or(Error::RoomNotFound)?;
        let head_v = first.head_v;
        let end_reason = match first.standing.ok_or(Error::NotAMember)? {
            Standing::Inside => first.closed.then_some(UnsubscribeReason::Closed),
            Standing::Left => Some(UnsubscribeReason::Left),
            Standing::Kicked => Some(UnsubscribeReason::Kicked),
        };
        let events: Vec<_> = rows.into_iter().filter_map(|row| row.into_frame(room)).collect();
        let more = events.len() == usize::try_from(most).unwrap_or_default();
        let head_v = match (end_reason, events.last()) {
            (Some(UnsubscribeReason::Left | UnsubscribeReason::Kicked), Some((parting_v, _))) => *parting_v,
            _ => head_v,
        };
        Ok(Self { head_v, events, more, end_reason })
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
        Some((v, event_frame(room, &view)?))
    }
}
