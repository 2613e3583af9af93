//! The changes of the messages of one room.

use std::collections::HashMap;

use domain::{MessageId, RoomId, UserId, delivery_box::Reactions};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The approximate size in memory of a changed message, and of a user or a reaction in it, in bytes.
const MESSAGE_BYTES: usize = 128;
const ENTRY_BYTES: usize = 64;

/// The changed messages of a room.
#[derive(Debug)]
pub(super) struct RoomTalk {
    pub(super) room_id: RoomId,
    messages: HashMap<MessageId, MessageTalk>,
    bytes: usize,
    /// The size that the cache knows.
    weighed: usize,
}

/// The changes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MessageTalk {
    pub(crate) deleted: bool,
    /// The sequence of the last edit.
    pub(crate) edited: Option<u64>,
    pub(crate) reactions: Reactions,
}

/// A change of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TalkChange {
    room_id: RoomId,
    message_id: MessageId,
    kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ChangeKind {
    Edited,
    Deleted,
    ReactionAdded(UserId, String),
    ReactionRemoved(UserId, String),
}

impl RoomTalk {
    pub(super) fn new(room_id: RoomId) -> Self {
        Self { room_id, messages: HashMap::new(), bytes: MESSAGE_BYTES, weighed: 0 }
    }

    pub(super) fn message(&self, message_id: MessageId) -> MessageTalk {
        self.messages.get(&message_id).cloned().unwrap_or_default()
    }

    /// Applies a change of this sequence. The changes of a message must come in the order of the log. The last ones may
    /// come twice.
    pub(super) fn apply(&mut self, sequence: u64, change: &TalkChange) {
        if change.room_id != self.room_id {
            return;
        }
        let message = self.messages.entry(change.message_id).or_insert_with(|| {
            self.bytes += MESSAGE_BYTES;
            MessageTalk::default()
        });
        if message.deleted {
            return;
        }
        self.bytes -= message.bytes();
        message.apply(sequence, &change.kind);
        self.bytes += message.bytes();
    }

    /// Returns the size for the cache.
    pub(super) fn weigh(&mut self) -> u32 {
        self.weighed = self.bytes;
        self.bytes.try_into().unwrap_or(u32::MAX)
    }

    /// Returns true if it is much larger than the cache knows.
    pub(super) fn has_outgrown_weight(&self) -> bool {
        self.bytes > self.weighed + self.weighed / 4
    }
}

impl MessageTalk {
    fn bytes(&self) -> usize {
        self.reactions.iter().map(|(emoji, users)| emoji.len() + ENTRY_BYTES * (1 + users.len())).sum()
    }

    fn apply(&mut self, sequence: u64, change: &ChangeKind) {
        match change {
            ChangeKind::Edited => self.edited = self.edited.max(Some(sequence)),
            ChangeKind::Deleted => *self = Self { deleted: true, ..Self::default() },
            ChangeKind::ReactionAdded(user_id, emoji) => {
                self.reactions.entry(emoji.clone()).or_default().insert(user_id.clone());
            }
            ChangeKind::ReactionRemoved(user_id, emoji) => {
                if let Some(users) = self.reactions.get_mut(emoji) {
                    users.remove(user_id);
                }
                self.reactions.retain(|_, users| !users.is_empty());
            }
        }
    }
}

/// The parts of a commit that the states need. They are the same in all versions of the events.
#[derive(Deserialize)]
struct Commit<'a> {
    #[serde(borrow)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Data {
    room_id: RoomId,
    message_id: MessageId,
    user_id: Option<UserId>,
    emoji: Option<String>,
}

/// Returns the changes of messages in a commit of the talk lane. A commit that cannot be read has none, because it has
/// no effect on the read model either.
pub(super) fn changes(payload: &[u8]) -> Vec<TalkChange> {
    let commit = serde_json::from_slice::<Commit<'_>>(payload);
    commit.map_or_else(|_| Vec::new(), |commit| commit.events.iter().filter_map(change).collect())
}

fn change(event: &Event<'_>) -> Option<TalkChange> {
    if !matches!(event.event_type, "message_edited" | "message_deleted" | "reaction_added" | "reaction_removed") {
        return None;
    }
    let data: Data = serde_json::from_str(event.data.get()).ok()?;
    let kind = match event.event_type {
        "message_edited" => ChangeKind::Edited,
        "message_deleted" => ChangeKind::Deleted,
        "reaction_added" => ChangeKind::ReactionAdded(data.user_id?, data.emoji?),
        _ => ChangeKind::ReactionRemoved(data.user_id?, data.emoji?),
    };
    Some(TalkChange { room_id: data.room_id, message_id: data.message_id, kind })
}
