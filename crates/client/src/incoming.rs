//! The items that a client delivers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::{BoxId, MessageId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An item from a client's inbox.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// The next event of a followed room: the version after the last one.
    Event(Event),
    /// A room is being followed; repeated after every interruption.
    Subscribed {
        /// The room.
        room: RoomId,
        /// The version of its last event.
        head_v: u64,
        /// True if all events since the last version follow.
        recovered: bool,
    },
    /// The last item of a room.
    Ended {
        /// The room.
        room: RoomId,
        /// The reason.
        reason: Ending,
    },
    /// The room continues after `head_v`. Either the last version is unknown in this room, and its state must be read
    /// again, or the user is `no-longer-inside`, and the next event is the parting event.
    Reset {
        /// The room.
        room: RoomId,
        /// The reason, from the server.
        reason: String,
        /// The version of the room's last event.
        head_v: u64,
    },
    /// A transient signal in a followed room. Signals may be lost, and the next one replaces the last.
    Signal {
        /// The room.
        room: RoomId,
        /// The signal.
        sign: Sign,
    },
    /// A new alarm of the user from any room, or a changed one, which replaces the one with the same id.
    Alarm(Alarm),
    /// An alarm was withdrawn: its message was deleted, or its last reaction removed.
    AlarmWithdrawn {
        /// The id of the alarm. The client may not have received it.
        id: String,
    },
    /// All alarms that messages of a user have caused in rooms of a box were withdrawn: the user was erased.
    AlarmsWithdrawn {
        /// The box.
        box_id: BoxId,
        /// The erased user.
        by: UserId,
    },
    /// The number of the user's unread alarms has changed, or alarms have arrived.
    UnreadAlarms {
        /// The number; 1000 stands for 1000 or more.
        unread: u64,
        /// The token with which `POST /alarms/read` marks all alarms before this item as read.
        up_to: Option<String>,
    },
    /// Alarms may have been missed: read the list of alarms again.
    AlarmsReset {
        /// The reason, from the server.
        reason: String,
    },
    /// The users that the user has blocked, in place of earlier ones. A connection begins without any.
    Blocks(BTreeSet<UserId>),
    /// All open rooms that the user is a member of, with the number of unread messages in each. Sent on every
    /// connection, and followed by changes.
    MyRooms(BTreeMap<RoomId, u64>),
    /// The user's standing in a room has changed.
    Membership {
        /// The room.
        room: RoomId,
        /// The new standing.
        standing: Standing,
        /// The time of the change, if known.
        at: Option<DateTime<Utc>>,
    },
    /// The number of unread messages in a room of the user has changed.
    Unread {
        /// The room.
        room: RoomId,
        /// The number of unread messages.
        unread: u64,
    },
    /// A connection is open: a query-service has accepted the token.
    Connected {
        /// The address of the service.
        url: String,
    },
    /// The connection was lost, or an attempt to connect has failed. The client tries again.
    Disconnected {
        /// The reason.
        reason: Loss,
        /// The delay before the next attempt.
        retry_in: Duration,
    },
}

/// An event of a room's feed. Its JSON is the frame that it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The room.
    #[serde(rename = "room_id")]
    pub room: RoomId,
    /// The feed version: 1, 2, 3 ... in each room.
    pub v: u64,
    /// The type of the event: `message_posted`, `member_joined`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The time of the event.
    pub at: DateTime<Utc>,
    /// The acting user; none for the system, for example at a deadline.
    pub by: Option<UserId>,
    /// The details, by kind.
    pub data: Value,
    /// The `Idempotency-Key` of the command that caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// A transient signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// This user is typing.
    Typing(UserId),
    /// The complete set of users who are connected to the room.
    Presence(BTreeSet<UserId>),
    /// The last messages that these members have marked as read.
    Read(BTreeMap<UserId, MessageId>),
}

/// An alarm for the user. Its JSON is the frame that it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The id of the alarm, the same at every service. A client delivers each state of an alarm once.
    pub id: String,
    /// The kind of the alarm: `mention`, `reply`, `kicked`, ...
    pub kind: String,
    /// The time of the cause.
    pub at: DateTime<Utc>,
    /// The room.
    #[serde(rename = "room_id")]
    pub room: RoomId,
    /// The message that the alarm is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The user who caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// The number of users who reacted; 1 for other kinds.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// The user's standing in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Is a member. The unread count is 0 until an [`Incoming::Unread`] arrives.
    Inside,
    /// Left.
    Left,
    /// Was kicked.
    Kicked,
    /// Was a member when the room closed.
    Closed,
    /// A standing of a later protocol version.
    #[serde(other)]
    Unknown,
}

/// The reason why a room is not followed any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The room was unsubscribed.
    #[error("unsubscribed")]
    Requested,
    /// The user is not a member any more: has left or was kicked.
    #[error("{0}")]
    Parted(String),
    /// The server refused the subscription.
    #[error("{detail} ({code})")]
    Refused {
        /// The problem's code, such as `not-a-member`.
        code: String,
        /// A text for people.
        detail: String,
    },
}

/// A page of a room's feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The version after which the next page begins.
    pub to_v: u64,
    /// The version of the feed's last event.
    pub head_v: u64,
}

/// The reason why a page was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The server refused the request.
    #[error("{detail} ({code})")]
    Refused {
        /// The problem's code, such as `not-a-member`.
        code: String,
        /// A text for people.
        detail: String,
    },
    /// The client has stopped for good, or its inbox was dropped.
    #[error("the client has stopped")]
    Stopped,
}

/// The reason why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The service cannot be reached at the address.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The source of tokens has failed.
    #[error("no token: {0}")]
    NoToken(String),
    /// The service has closed the connection.
    #[error("closed by the service: {reason} ({code})")]
    Closed {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The service has sent nothing for too long.
    #[error("the service does not respond")]
    Silent,
    /// The service has violated the protocol.
    #[error("the service violates the protocol: {0}")]
    ProtocolViolation(String),
}

/// The reason why a client has stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An invalid address.
    #[error("{url:?} is not an address like https://host:port")]
    InvalidAddress {
        /// The address.
        url: String,
    },
    /// The token is refused, and there is no other token.
    #[error("the token was refused: {reason} ({code})")]
    TokenRefused {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// The service has refused this client permanently.
    #[error("the service has refused this client permanently: {reason} ({code})")]
    Refused {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
}
