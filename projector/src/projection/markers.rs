//! Read markers: each user's last read message per room.

use std::collections::BTreeMap;

use domain::{MessageId, RoomId, UserId};

use super::{
    error::{ProjectionError, foreign_commit},
    outcome::{Changes, RoomChange},
    upserts::Upserts,
};
use crate::commit::{Commit, Content};

/// Adds the markers of commits to a statement.
pub(super) fn add_markers(commits: &[Commit], upserts: &mut Upserts) -> Result<Changes, ProjectionError> {
    let mut markers: BTreeMap<(&RoomId, &UserId), MessageId> = BTreeMap::new();
    for commit in commits {
        let Content::Mark { room_id, user_id, message_id } = &commit.content else {
            return Err(foreign_commit(commit));
        };
        // The log keeps only the last marker, and accepts none that is lower.
        markers.insert((room_id, user_id), *message_id);
    }
    let rows = markers.iter().map(|((room_id, user_id), message_id)| (*room_id, *user_id, *message_id));
    let change = |(room_id, user_id, message_id): (&RoomId, &UserId, MessageId)| RoomChange::Marker {
        room_id: room_id.clone(),
        user_id: user_id.clone(),
        message_id,
    };
    let room_changes = rows.clone().map(change).collect();
    upserts.add(rows)?;
    Ok(Changes { room_changes, ..Changes::default() })
}
