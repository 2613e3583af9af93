//! Alarms of connected users: their frames, and reading those whose notifications may have been lost.

use std::collections::BTreeMap;

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use serde::Deserialize;
use sqlx::query;

use super::{
    frames::ServerFrame,
    replay::Feeds,
    sent_alarms::{Key, Positions},
};
use crate::error::Error;

/// The maximum number of alarms read at a time, per user and stream.
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
}

impl Alarm {
    pub(super) fn key(&self) -> Key {
        (self.stream.clone(), self.position, self.kind.clone())
    }

    pub(super) fn frame(&self) -> Utf8Bytes {
        let Self { kind, at, room_id, message_id, by, stream, position } = self;
        let id = format!("{stream}-{position}-{kind}");
        ServerFrame::Alarm { id, kind, at: *at, room: room_id, message_id: message_id.as_deref(), by: by.as_ref() }
            .encode()
    }
}

/// A page of some users' alarms, the oldest first.
pub(super) struct AlarmPage {
    pub(super) alarms: Vec<(UserId, Alarm)>,
    /// The users with further alarms, and the position up to which each of their streams is complete.
    pub(super) partial: BTreeMap<UserId, Positions>,
}

impl Feeds {
    /// Returns the checkpoints of the streams of boxes.
    pub(super) async fn positions(&self) -> Result<Positions, Error> {
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!("select stream, position from checkpoints where stream like 'box-%'")
            .fetch_all(&mut *connection)
            .await?;
        Ok(rows.into_iter().map(|row| (row.stream, row.position)).collect())
    }

    /// Returns the next alarms of these users after a position of each stream.
    pub(super) async fn alarms(&self, wanted: &[(&UserId, Positions)]) -> Result<AlarmPage, Error> {
        let wanted = wanted.iter().flat_map(|(user, after)| after.iter().map(|after| (user.to_string(), after)));
        let (mut users, mut streams, mut floors) = (Vec::new(), Vec::new(), Vec::new());
        for (user, (stream, floor)) in wanted {
            users.push(user);
            streams.push(stream.clone());
            floors.push(*floor);
        }
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            "
            select a.user_id, a.kind, a.at, a.room_id, a.message_id::text, a.by, a.stream, a.position
            from unnest($1::text[], $2::text[], $3::bigint[]) as wanted (user_id, stream, floor)
            cross join lateral (
                select *
                from alarms f
                where f.user_id = wanted.user_id and f.stream = wanted.stream and f.position > wanted.floor
                order by f.position
                limit $4
            ) as a
            order by a.at, a.position
            ",
            &users,
            &streams,
            &floors,
            PAGE,
        )
        .fetch_all(&mut *connection)
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
            };
            Some((row.user_id.parse().ok()?, alarm))
        });
        Ok(AlarmPage::of(read.collect()))
    }
}

impl AlarmPage {
    fn of(alarms: Vec<(UserId, Alarm)>) -> Self {
        let mut counts: BTreeMap<(&UserId, &str), (i64, i64)> = BTreeMap::new();
        for (user, alarm) in &alarms {
            let (count, last) = counts.entry((user, &alarm.stream)).or_default();
            *count += 1;
            *last = (*last).max(alarm.position);
        }
        let mut partial: BTreeMap<UserId, Positions> = BTreeMap::new();
        for ((user, stream), (count, last)) in counts {
            if count >= PAGE {
                // One event may have caused several alarms, and the page may end between them.
                partial.entry(user.clone()).or_default().insert(stream.to_owned(), last - 1);
            }
        }
        Self { alarms, partial }
    }
}
