//! The members of closed rooms, from the log: the state of a box has only its last room.

use cqrs_es::Aggregate;
use domain::{BoxEvent, DeliveryBox, Lane, RoomEvent, RoomId, UserId};

use super::{Executor, aggregate::StoredAggregate, error::EventStoreError};
use crate::{codec::envelope::RecordedCommit, log::Range};

/// The number of commits read at a time.
const PAGE: usize = 50;

/// The approximate number of bytes read at a time.
const PAGE_BYTES: usize = 1 << 20;

impl Executor<DeliveryBox> {
    /// Returns the members of a room that was closed, at its closing. `since` is the sequence of one of its events.
    pub async fn members_at_closing(&self, room_id: &RoomId, since: u64) -> Result<Vec<UserId>, EventStoreError> {
        let (box_id, partitions) = (room_id.box_id(), self.store.partitions());
        let (stream, subject) =
            (DeliveryBox::stream(box_id, partitions), DeliveryBox::subject(box_id, Lane::Room, partitions));
        let (mut from, mut before) = (since, None);
        loop {
            let range = Range { stream, from, subject: Some(&subject), max_messages: PAGE, max_bytes: PAGE_BYTES };
            let page = self.store.log().read(range).await?;
            if page.is_empty() {
                return Err(EventStoreError::unavailable("a replica is behind".into()));
            }
            for recorded in page {
                from = recorded.sequence + 1;
                let commit = RecordedCommit::parse(&recorded)?;
                let after = DeliveryBox::stored_state(&commit);
                let mut events = commit.events::<BoxEvent>()?;
                let Some(closing) = events.iter().position(|event| closes(event, room_id)) else {
                    before = after;
                    continue;
                };
                if let Some(room) = after.as_ref().and_then(|state| state.last_room(room_id)) {
                    return Ok(room.members().to_vec());
                }
                // The commit also opens the next room, or its state is of another version.
                let mut state = match before {
                    Some(state) => state,
                    None => self.store.fold(box_id, recorded.sequence - 1).await?,
                };
                events.drain(..=closing).for_each(|event| state.apply(event));
                return Ok(state.last_room(room_id).map(|room| room.members().to_vec()).unwrap_or_default());
            }
        }
    }
}

fn closes(event: &BoxEvent, room_id: &RoomId) -> bool {
    matches!(event, BoxEvent::Room { room_id: of, event: RoomEvent::RoomClosed { .. } } if of == room_id)
}
