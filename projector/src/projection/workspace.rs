//! The rows that a batch touches, in memory: loaded once, changed event by event, written once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{BoxId, MessageId, RoomId, UserId};
use event_store::ActorRole;

use super::{
    alarms::AlarmRows,
    error::InvalidEvent,
    tables::{AuthorErasure, BoxRow, FeedRow, Member, Message, RoomRow, Standing},
};
use crate::commit::Commit;

/// The workspace of a box stream. Keeps boxes, open rooms with their members and, while a generation is built, messages
/// between batches. Everything else is dropped after each batch.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) boxes: HashMap<BoxId, BoxRow>,
    pub(super) rooms: HashMap<RoomId, Room>,
    /// The messages, by sequence in the log.
    pub(super) messages: HashMap<MessageId, Message>,
    pub(super) changed: Changed,
    /// The messages posted in this batch, in the order of the log.
    pub(super) posted: Vec<MessageId>,
    pub(super) feed: Vec<FeedRow>,
    /// Messages deleted in this batch, whose earlier feed rows lose their body.
    pub(super) deleted: Vec<(RoomId, MessageId)>,
    pub(super) alarms: AlarmRows,
    /// Authors erased in this batch. The rows of earlier batches are redacted.
    pub(super) erased: BTreeSet<AuthorErasure>,
}

/// The keys of rows that differ from the database.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) boxes: HashSet<BoxId>,
    pub(super) rooms: HashSet<RoomId>,
    pub(super) members: HashMap<RoomId, HashSet<UserId>>,
    /// Members whose standing or room has changed: their rows keyed by user differ as well.
    pub(super) memberships: BTreeSet<(RoomId, UserId)>,
    /// Changed messages, except those posted in this batch.
    pub(super) messages: HashSet<MessageId>,
}

impl Changed {
    /// Marks a member as changed. Avoids cloning the ids: most events are of users who are marked already.
    pub(super) fn mark_member(&mut self, room_id: &RoomId, user_id: &UserId) {
        match self.members.get_mut(room_id) {
            Some(members) if members.contains(user_id) => {}
            Some(members) => {
                members.insert(user_id.clone());
            }
            None => {
                self.members.insert(room_id.clone(), HashSet::from([user_id.clone()]));
            }
        }
    }

    /// Marks a member as changed whose own view of rooms has changed.
    pub(super) fn mark_membership(&mut self, room_id: &RoomId, user_id: &UserId) {
        self.mark_member(room_id, user_id);
        self.memberships.insert((room_id.clone(), user_id.clone()));
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&RoomId, &UserId)> {
        self.members.iter().flat_map(|(room_id, members)| members.iter().map(move |user_id| (room_id, user_id)))
    }
}

/// Approximate limits of the rows kept between batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct CacheLimits {
    /// The limit of boxes, and of rooms.
    pub(super) rooms: usize,
    pub(super) messages: usize,
}

/// A room with all its current and former members.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) row: RoomRow,
    pub(super) members: BTreeMap<UserId, Member>,
}

/// The context that all events of a commit share.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventContext<'a> {
    pub(super) commit: &'a Commit,
    pub(super) box_id: &'a BoxId,
    /// `None` for the system, and for operators and moderators, whose ids users do not see.
    pub(super) actor: Option<&'a UserId>,
}

impl EventContext<'_> {
    pub(super) fn at(&self) -> DateTime<Utc> {
        self.commit.at
    }

    /// The id of the message that this commit posts.
    pub(super) fn message_id(&self) -> MessageId {
        MessageId::new(self.commit.sequence)
    }

    pub(super) fn is_actor(&self, user_id: &UserId) -> bool {
        // A box or an operator may have the id of a user, and is another principal.
        self.commit.role.is_none_or(|role| role == ActorRole::User) && self.actor == Some(user_id)
    }
}

impl Room {
    /// Returns the users inside, or inside at the closing, ordered by id.
    pub(super) fn inside(&self) -> impl Iterator<Item = &UserId> {
        self.members.iter().filter(|(_, member)| member.standing == Standing::Inside).map(|(user_id, _)| user_id)
    }

    pub(super) fn has_member(&self, user_id: &UserId) -> bool {
        self.members.get(user_id).is_some_and(|member| member.standing == Standing::Inside)
    }

    pub(super) fn next_seat(&self) -> i64 {
        self.members.values().map(|member| member.seat).max().unwrap_or(0) + 1
    }
}

impl Workspace {
    /// Returns a box for modification and marks it as changed.
    pub(super) fn change_box(&mut self, box_id: &BoxId) -> Result<&mut BoxRow, InvalidEvent> {
        let row = self.boxes.get_mut(box_id).ok_or_else(|| InvalidEvent(format!("there is no box {box_id}")))?;
        self.changed.boxes.insert(box_id.clone());
        Ok(row)
    }

    pub(super) fn room(&self, room_id: &RoomId) -> Result<&Room, InvalidEvent> {
        self.rooms.get(room_id).ok_or_else(|| InvalidEvent(format!("there is no room {room_id}")))
    }

    /// Returns a room for modification and marks it as changed.
    pub(super) fn change_room(&mut self, room_id: &RoomId) -> Result<&mut Room, InvalidEvent> {
        let room = self.rooms.get_mut(room_id).ok_or_else(|| InvalidEvent(format!("there is no room {room_id}")))?;
        if !self.changed.rooms.contains(room_id) {
            self.changed.rooms.insert(room_id.clone());
        }
        Ok(room)
    }

    /// Returns a member inside the room for modification and marks it as changed.
    pub(super) fn change_member(&mut self, room_id: &RoomId, user_id: &UserId) -> Result<&mut Member, InvalidEvent> {
        let room = self.rooms.get_mut(room_id).ok_or_else(|| InvalidEvent(format!("there is no room {room_id}")))?;
        let member = room.members.get_mut(user_id).filter(|member| member.standing == Standing::Inside);
        let member = member.ok_or_else(|| InvalidEvent(format!("{user_id} is not in room {room_id}")))?;
        self.changed.mark_member(room_id, user_id);
        Ok(member)
    }

    pub(super) fn message(&self, room_id: &RoomId, message_id: MessageId) -> Result<&Message, InvalidEvent> {
        let message = self.messages.get(&message_id).filter(|message| message.room_id == *room_id);
        message.ok_or_else(|| InvalidEvent(format!("there is no message {message_id} in room {room_id}")))
    }

    /// Returns a message for modification and marks it as changed.
    pub(super) fn change_message(&mut self, room_id: &RoomId, id: MessageId) -> Result<&mut Message, InvalidEvent> {
        let message = self.messages.get_mut(&id).filter(|message| message.room_id == *room_id);
        let message = message.ok_or_else(|| InvalidEvent(format!("there is no message {id} in room {room_id}")))?;
        if self.posted.binary_search(&id).is_err() {
            self.changed.messages.insert(id);
        }
        Ok(message)
    }

    /// Ends a batch: drops closed rooms, cached rows beyond the limits, and the lists of changes.
    pub(super) fn end_batch(&mut self, limits: CacheLimits) {
        // A closed room has no further events.
        let is_closed = |room_id: &&RoomId| self.rooms.get(*room_id).is_some_and(|room| room.row.closed_at.is_some());
        let closed: Vec<RoomId> = self.changed.rooms.iter().filter(is_closed).cloned().collect();
        for room_id in &closed {
            self.rooms.remove(room_id);
        }
        if self.rooms.len() > limits.rooms || self.boxes.len() > limits.rooms {
            let Changed { boxes, rooms, .. } = &self.changed;
            self.boxes.retain(|box_id, _| boxes.contains(box_id));
            self.rooms.retain(|room_id, _| rooms.contains(room_id));
        }
        if self.messages.len() > limits.messages {
            self.messages.clear();
        } else if !closed.is_empty() {
            self.messages.retain(|_, message| self.rooms.contains_key(&message.room_id));
        }
        self.changed = Changed::default();
        self.posted.clear();
        self.feed.clear();
        self.deleted.clear();
        self.erased.clear();
        self.alarms.clear();
    }
}

/// The keys of the rows that a batch needs.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    pub(super) boxes: BTreeSet<&'a BoxId>,
    pub(super) rooms: BTreeSet<&'a RoomId>,
    pub(super) messages: BTreeSet<(&'a RoomId, MessageId)>,
    /// Erased authors, whose reactions have caused alarms.
    pub(super) erased: BTreeSet<(&'a BoxId, &'a UserId)>,
}
