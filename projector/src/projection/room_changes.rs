//! Changes by a batch: of users' own view of rooms (unread counts, memberships, read markers), and of public details.

use std::collections::{BTreeMap, BTreeSet};

use domain::RoomId;

use super::{
    outcome::{Changes, CountFact, LobbyChange, RoomChange},
    tables::FeedRow,
    workspace::Workspace,
};

/// The maximum number of feed versions in one change.
const VERSIONS: usize = 200;

impl Workspace {
    /// Takes the changes of the batch and leaves none.
    pub(super) fn take_changes(&mut self) -> Changes {
        let feed = std::mem::take(&mut self.feed);
        let mut rooms: BTreeMap<&RoomId, Vec<&FeedRow>> = BTreeMap::new();
        for row in &feed {
            rooms.entry(&row.room_id).or_default().push(row);
        }
        let counts = rooms.into_iter().flat_map(|(room_id, rows)| self.counts(room_id, &rows));
        let memberships = self.changed.memberships.iter().cloned();
        let memberships = memberships.map(|(room_id, user_id)| RoomChange::Membership { room_id, user_id });
        let room_changes = counts.chain(memberships).collect();
        let lobby = self.lobby_changes(&feed);
        Changes { alarms: self.alarms.take(), feed, room_changes, lobby, ..Changes::default() }
    }

    /// Returns the rooms whose public details these events have changed, once each.
    fn lobby_changes(&self, feed: &[FeedRow]) -> Vec<LobbyChange> {
        let rooms: BTreeSet<_> = feed.iter().filter(|row| is_public(row.kind)).map(|row| &row.room_id).collect();
        let change = |room_id: &RoomId| {
            let (room, location) = (self.rooms.get(room_id)?, self.boxes.get(room_id.box_id())?);
            let (latitude, longitude) = (location.latitude, location.longitude);
            Some(LobbyChange { room_id: room_id.clone(), zip_code: room.row.zip_code.clone(), latitude, longitude })
        };
        rooms.into_iter().filter_map(change).collect()
    }

    /// Returns the facts of a room's new versions, which are consecutive, in parts of a bounded size.
    fn counts(&self, room_id: &RoomId, rows: &[&FeedRow]) -> Vec<RoomChange> {
        let change = |part: &[&FeedRow]| {
            let (first, last) = (part.first()?, part.last()?);
            let facts = part.iter().filter_map(|row| self.fact(row)).collect();
            Some(RoomChange::Counts { room_id: room_id.clone(), after_v: first.v - 1, v: last.v, facts })
        };
        rows.chunks(VERSIONS).filter_map(change).collect()
    }

    fn fact(&self, row: &FeedRow) -> Option<CountFact> {
        let deleted = match row.kind {
            "message_posted" => false,
            "message_deleted" => true,
            _ => return None,
        };
        let message_id = row.message_id?;
        let author = self.messages.get(&message_id)?.author.clone();
        Some(CountFact { v: row.v, message_id, author, deleted })
    }
}

/// Returns true for events that change what every signed-in user sees of a room.
fn is_public(kind: &str) -> bool {
    matches!(
        kind,
        "room_opened"
            | "member_joined"
            | "member_left"
            | "member_kicked"
            | "host_transferred"
            | "room_changed"
            | "step_advanced"
            | "room_extended"
            | "room_closed"
    )
}
