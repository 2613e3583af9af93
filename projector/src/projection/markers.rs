//! Read markers: each user's last read message per room.

use std::collections::BTreeMap;

use domain::{MessageId, RoomId, UserId};
use sqlx::PgConnection;

use super::{
    error::{ProjectionError, foreign_commit},
    outcome::{Changes, RoomChange},
    table::write,
};
use crate::commit::{Commit, Content};

pub(super) async fn project_markers(
    connection: &mut PgConnection,
    commits: &[Commit],
) -> Result<Changes, ProjectionError> {
    let mut markers: BTreeMap<(&RoomId, &UserId), MessageId> = BTreeMap::new();
    for commit in commits {
        let Content::Mark { room_id, user_id, message_id } = &commit.content else {
            return Err(foreign_commit(commit));
        };
        // The log keeps only the last marker, and accepts none that is lower.
        markers.insert((room_id, user_id), *message_id);
    }
    let rows = markers.into_iter().map(|((room_id, user_id), message_id)| (room_id, user_id, message_id));
    let rows: Vec<_> = rows.collect();
    let change = |&(room_id, user_id, message_id): &(&RoomId, &UserId, MessageId)| RoomChange::Marker {
        room_id: room_id.clone(),
        user_id: user_id.clone(),
        message_id,
    };
    let room_changes = rows.iter().map(change).collect();
    write(connection, rows).await?;
    Ok(Changes { room_changes, ..Changes::default() })
}
