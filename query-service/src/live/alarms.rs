//! Alarms of connected users: what they are told, and reading those that may not have been heard.

use std::collections::BTreeMap;

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use serde::Deserialize;
use sqlx::query;

use super::{
    frames::ServerFrame,
    replay::Feeds,
    seen::{Key, Positions},
};
use crate::error::Error;

/// How many alarms of a user and a stream are read at a time.
const PAGE: i64 = 50;

/// An alarm, in a notice or in the read model.
#[derive(Debug, Deserialize)]
pub(super) struct Alarm {
    kind: String,
    at: DateTime<Utc>,
    room_id: RoomId,
    message_id: Option<String>,
    by: Option<UserId>,
    /// With `position` and `kind` what names an alarm of a user.
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

/// A part of some users' alarms, in the order in which they came up.
pub(super) struct AlarmPage {
    pub(super) alarms: Vec<(UserId, Alarm)>,
    /// Of whom there is more to read than this: every stream is complete up to there only.
    pub(super) partial: BTreeMap<UserId, Positions>,
}

impl Feeds {
    /// How far the streams of boxes are projected.
    pub(super) async fn positions(&self) -> Result<Positions, Error> {
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!("select stream, position from checkpoints where stream like 'box-%'")
            .fetch_all(&mut *connection)
            .await?;
        Ok(rows.into_iter().map(|row| (row.stream, row.position)).collect())
    }

    /// The next alarms of these users after a position of each stream.
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
                // one event may have caused several, and the page may end between them
                partial.entry(user.clone()).or_default().insert(stream.to_owned(), last - 1);
            }
        }
        Self { alarms, partial }
    }
}
