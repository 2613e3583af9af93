//! Read markers: each user's last read message per room.

use std::collections::BTreeMap;

use domain::{MessageId, RoomId, UserId};
use sqlx::{PgConnection, query};

use super::{Changes, ProjectionError, Touched, foreign, write::column};
use crate::commit::{Commit, Content};

pub(super) async fn project(connection: &mut PgConnection, commits: &[Commit]) -> Result<Changes, ProjectionError> {
    let mut markers: BTreeMap<(&RoomId, &UserId), MessageId> = BTreeMap::new();
    for commit in commits {
        let Content::Mark { room_id, user_id, message_id } = &commit.content else {
            return Err(foreign(commit));
        };
        // The log keeps only the last marker, and accepts none that is lower.
        markers.insert((room_id, user_id), *message_id);
    }
    let rows: Vec<_> = markers.into_iter().collect();
    query!(
        "insert into read_markers (box_id, room_id, user_id, message_id)
         select *
         from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
         on conflict (box_id, room_id, user_id) do update set
           message_id = excluded.message_id",
        &column(&rows, |((room_id, _), _)| room_id.box_id().as_str()) as &[&str],
        &column(&rows, |((room_id, _), _)| room_id.to_string()),
        &column(&rows, |((_, user_id), _)| user_id.as_str()) as &[&str],
        &column(&rows, |(_, message_id)| message_id.sequence().cast_signed()),
    )
    .execute(connection)
    .await?;
    let touched = rows.into_iter().map(|((room_id, user_id), _)| Touched::by(room_id, user_id)).collect();
    Ok(Changes { touched, ..Changes::default() })
}
