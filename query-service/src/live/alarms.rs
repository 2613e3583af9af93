//! Alarms of connected users: their frames, and reading those whose notifications may have been lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{Position, RoomId, UserId};
use serde::Deserialize;
use sqlx::{PgConnection, query};

use super::{
    frames::ServerFrame,
    replay::Feeds,
    sent_alarms::{Change, Positions},
};
use crate::{
    alarm_summary::{Unread, checkpoints},
    error::Error,
};

/// The number of alarms, and of erasures, that are read at a time, per user and stream.
const PAGE: i64 = 50;

/// An alarm, from a notification or from the read model.
#[derive(Debug, Deserialize)]
pub(super) struct Alarm {
    kind: String,
    at: DateTime<Utc>,
    room_id: RoomId,
    message_id: Option<String>,
    by: Option<UserId>,
    /// The stream of its event. With `position` and `kind`, it identifies an alarm of a user.
    stream: String,
    position: i64,
    count: i32,
    /// The position of the last event that has changed it.
    changed: i64,
    is_withdrawn: bool,
    /// True if its box was released from quarantine: it may be older than what the client has.
    is_released: bool,
}

/// The erasure of an author whose messages may have alarmed the user.
#[derive(Debug)]
pub(super) struct Erasure {
    box_id: String,
    author: String,
    stream: String,
    position: i64,
}

/// An item that a connection receives once.
#[derive(Debug)]
pub(super) enum AlarmItem {
    Alarm(Alarm),
    Erasure(Erasure),
}

impl Alarm {
    /// Returns true if the alarm, or a part of it, is by a user that its user has blocked. The count of reactions has
    /// all users.
    pub(super) fn may_be_of(&self, blocked: &BTreeSet<UserId>) -> bool {
        match self.kind.as_str() {
            "reaction" => !blocked.is_empty(),
            "reply" | "mention" | "message_after_silence" => self.by.as_ref().is_some_and(|by| blocked.contains(by)),
            _ => false,
        }
    }
}

impl AlarmItem {
    pub(super) fn change(&self) -> Change {
        match self {
            Self::Alarm(alarm) => Change {
                key: (alarm.stream.clone(), alarm.position, alarm.kind.clone()),
                changed: alarm.changed,
                is_withdrawal: alarm.is_withdrawn,
                is_released: alarm.is_released,
            },
            Self::Erasure(erasure) => Change {
                key: (erasure.stream.clone(), erasure.position, format!("erasure of {}", erasure.author)),
                changed: erasure.position,
                is_withdrawal: false,
                is_released: false,
            },
        }
    }

    pub(super) fn frame(&self) -> Utf8Bytes {
        let frame = match self {
            Self::Alarm(Alarm { kind, at, room_id, message_id, by, stream, position, count, is_withdrawn, .. }) => {
                let id = format!("{stream}-{position}-{kind}");
                let message_id = message_id.as_deref();
                if *is_withdrawn {
                    ServerFrame::AlarmWithdrawn { id }
                } else {
                    ServerFrame::Alarm { id, kind, at: *at, room_id, message_id, by: by.as_ref(), count: *count }
                }
            }
            Self::Erasure(Erasure { box_id, author, .. }) => ServerFrame::AlarmsWithdrawn { box_id, by: author },
        };
        frame.encode()
    }

    /// Returns the stream and the position up to which a read has come with this item.
    fn reached(&self) -> (&str, i64) {
        match self {
            Self::Alarm(alarm) => (&alarm.stream, alarm.changed),
            Self::Erasure(erasure) => (&erasure.stream, erasure.position),
        }
    }
}

/// A part of some users' alarms.
pub(super) struct AlarmPage {
    /// The alarms, the oldest first, and then the erasures.
    pub(super) items: Vec<(UserId, AlarmItem)>,
    /// The users with further items, and the position up to which each of their streams is complete.
    pub(super) partial: BTreeMap<UserId, Positions>,
    /// The unread alarms of each user.
    pub(super) unread: HashMap<String, Unread>,
    /// The users that each user has blocked, if any.
    pub(super) blocked: HashMap<String, BTreeSet<UserId>>,
}

/// The places after which alarms are read, column by column.
#[derive(Default)]
struct Floors {
    users: Vec<String>,
    streams: Vec<String>,
    positions: Vec<i64>,
}

impl Feeds {
    /// Returns the checkpoints of the streams of boxes.
    pub(super) async fn checkpoints(&self) -> Result<Vec<Position>, Error> {
        let (_permit, mut connection) = self.connection().await?;
        checkpoints(&mut connection).await
    }

    /// Returns the next changes of alarms after a position of each stream, for the users who need them, and the unread
    /// alarms of all these users.
    pub(super) async fn alarms(&self, wanted: &[(&UserId, Option<Positions>)]) -> Result<AlarmPage, Error> {
        let mut floors = Floors::default();
        for (user, after) in wanted {
            for (stream, position) in after.iter().flatten() {
                floors.users.push(user.to_string());
                floors.streams.push(stream.clone());
                floors.positions.push(*position);
            }
        }
        let (_permit, mut connection) = self.connection().await?;
        let alarms = floors.alarms(&mut connection).await?;
        let erasures = floors.erasures(&mut connection).await?;
        let users: Vec<String> = wanted.iter().map(|(user, _)| user.to_string()).collect();
        let unread = Unread::of(&mut connection, &users).await?;
        let blocked = blocked(&mut connection, &users).await?;
        let mut partial = BTreeMap::new();
        for items in [&alarms, &erasures] {
            add_partial(&mut partial, items);
        }
        Ok(AlarmPage { items: alarms.into_iter().chain(erasures).collect(), partial, unread, blocked })
    }
}

impl Floors {
    async fn alarms(&self, connection: &mut PgConnection) -> Result<Vec<(UserId, AlarmItem)>, Error> {
        let rows = query!(
            r#"
            select a.user_id as "user_id!", a.kind as "kind!", a.at as "at!", a.room_id as "room_id!",
                a.message_id::text, a.by, a.stream as "stream!", a.position as "position!",
                coalesce(a.count, 0) as "count!", a.changed as "changed!",
                -- to the user, what blocked users have caused alone does not stand
                (a.withdrawn is not null or not a.is_shown) as "is_withdrawn!"
            from unnest($1::text[], $2::text[], $3::bigint[]) as wanted (user_id, stream, floor)
            cross join lateral (
                select *
                from shown_alarms f
                where f.user_id = wanted.user_id and f.stream = wanted.stream and f.changed > wanted.floor
                order by f.changed
                -- all changes of one event, so that the next read continues after it
                fetch first ($4) rows with ties
            ) as a
            order by a.at, a.position
            "#,
            &self.users,
            &self.streams,
            &self.positions,
            PAGE,
        )
        .fetch_all(connection)
        .await?;
        let read = rows.into_iter().filter_map(|row| {
            let by = row.by.and_then(|by| by.parse().ok());
            let alarm = Alarm {
                kind: row.kind,
                at: row.at,
                room_id: row.room_id.parse().ok()?,
                message_id: row.message_id,
                by,
                stream: row.stream,
                position: row.position,
                count: row.count,
                changed: row.changed,
                is_withdrawn: row.is_withdrawn,
                is_released: false,
            };
            Some((row.user_id.parse().ok()?, AlarmItem::Alarm(alarm)))
        });
        Ok(read.collect())
    }

    /// Returns the erasures of authors who were in a room with the user.
    async fn erasures(&self, connection: &mut PgConnection) -> Result<Vec<(UserId, AlarmItem)>, Error> {
        let rows = query!(
            r#"
            select wanted.user_id as "user_id!", e.box_id, e.user_id as author, e.stream, e.position
            from unnest($1::text[], $2::text[], $3::bigint[]) as wanted (user_id, stream, floor)
            cross join lateral (
                select *
                from author_erasures f
                where f.stream = wanted.stream
                    and f.position > wanted.floor
                    and exists (
                        select
                        from user_rooms mine
                        join members m on m.box_id = mine.box_id and m.room_id = mine.room_id and m.user_id = f.user_id
                        where mine.user_id = wanted.user_id and mine.box_id = f.box_id
                    )
                order by f.position
                fetch first ($4) rows with ties
            ) as e
            order by e.position
            "#,
            &self.users,
            &self.streams,
            &self.positions,
            PAGE,
        )
        .fetch_all(connection)
        .await?;
        let read = rows.into_iter().filter_map(|row| {
            let erasure =
                Erasure { box_id: row.box_id, author: row.author, stream: row.stream, position: row.position };
            Some((row.user_id.parse().ok()?, AlarmItem::Erasure(erasure)))
        });
        Ok(read.collect())
    }
}

/// Returns the users that each of these users has blocked, if any.
async fn blocked(
    connection: &mut PgConnection,
    users: &[String],
) -> Result<HashMap<String, BTreeSet<UserId>>, sqlx::Error> {
    let rows = query!(
        r#"select user_id, array_agg(blocked) as "blocked!" from blocks where user_id = any($1) group by user_id"#,
        users,
    )
    .fetch_all(connection)
    .await?;
    let parsed = |ids: Vec<String>| ids.iter().filter_map(|id| id.parse().ok()).collect();
    Ok(rows.into_iter().map(|row| (row.user_id, parsed(row.blocked))).collect())
}

/// Adds the users and streams of which there are further items, with the lowest position that all reads have reached.
fn add_partial(partial: &mut BTreeMap<UserId, Positions>, items: &[(UserId, AlarmItem)]) {
    let mut counts: BTreeMap<(&UserId, &str), (i64, i64)> = BTreeMap::new();
    for (user, item) in items {
        let (stream, position) = item.reached();
        let (count, last) = counts.entry((user, stream)).or_default();
        *count += 1;
        *last = (*last).max(position);
    }
    for ((user, stream), (_, last)) in counts.into_iter().filter(|(_, (count, _))| *count >= PAGE) {
        let reached = partial.entry(user.clone()).or_default().entry(stream.to_owned()).or_insert(last);
        *reached = last.min(*reached);
    }
}
