//! Values that are looked up before a command is decided.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{MessageId, RoomId, UserId};

/// Result of the password check, which the service makes before the decision because hashing is slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordProof {
    /// No password was given.
    Missing,
    /// The password does not match the room's hash.
    Wrong,
    /// The password matches this hash (PHC form).
    Matches(String),
}

/// The users of each reaction to a message.
pub type Reactions = BTreeMap<String, BTreeSet<UserId>>;

/// The state of a message after all changes so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageState {
    /// The text. Of an edited message it is looked up for an edit only.
    pub text: String,
    /// True if the message was deleted.
    pub deleted: bool,
    /// The reactions to the message.
    pub reactions: Reactions,
}

/// A message as read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalMessage {
    /// The id of the message.
    pub message_id: MessageId,
    /// The room in which it was posted.
    pub room_id: RoomId,
    /// The user who posted it.
    pub author: UserId,
    /// Its state, which is looked up again before each decision.
    pub state: MessageState,
}

/// A message whose state must be looked up before a command on it is decided.
#[derive(Debug)]
pub struct MessageLookUp<'a> {
    /// The message in the command.
    pub message: &'a mut OriginalMessage,
    /// True if the decision needs the text.
    pub with_text: bool,
}
