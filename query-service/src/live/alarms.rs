//! Reading alarms of connected users that may not have been heard.

use domain::{RoomId, UserId, stream_of};
use sqlx::query;

use super::{replay::Feeds, seen::Positions, users::Alarm};
use crate::error::Error;

impl Feeds {
    /// How far the streams of boxes are projected.
    pub(super) async fn positions(&self) -> Result<Positions, Error> {
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!("select stream, position from checkpoints where stream like 'box-%'")
            .fetch_all(&mut *connection)
            .await?;
        Ok(rows.into_iter().map(|row| (row.stream, row.position)).collect())
    }

    /// The alarms of these users after a sequence each, of whichever stream.
    pub(super) async fn alarms(
        &self,
        wanted: &[(&UserId, i64)],
        partitions: u16,
    ) -> Result<Vec<(UserId, Alarm)>, Error> {
        let users: Vec<String> = wanted.iter().map(|(user, _)| user.to_string()).collect();
        let floors: Vec<i64> = wanted.iter().map(|(_, floor)| *floor).collect();
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            "
            select a.user_id, a.kind, a.at, a.room_id, a.message_id::text, a.by, a.position
            from unnest($1::text[], $2::bigint[]) as wanted (user_id, floor)
            join alarms a on a.user_id = wanted.user_id and a.position > wanted.floor
            order by a.at, a.position
            ",
            &users,
            &floors,
        )
        .fetch_all(&mut *connection)
        .await?;
        let alarm = |room_id: RoomId, kind, at, message_id, by: Option<String>, position| Alarm {
            stream: stream_of(room_id.box_id(), partitions),
            by: by.and_then(|by| by.parse().ok()),
            kind,
            at,
            room_id,
            message_id,
            position,
        };
        let read = rows.into_iter().filter_map(|row| {
            let room_id = row.room_id.parse().ok()?;
            let user = row.user_id.parse().ok()?;
            Some((user, alarm(room_id, row.kind, row.at, row.message_id, row.by, row.position)))
        });
        Ok(read.collect())
    }
}
