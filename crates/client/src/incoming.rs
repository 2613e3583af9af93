//! What a client hears.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that a client hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Something happened in a room: the version after the last one.
    Event(Event),
    /// A room is being followed; also after every interruption.
    Subscribed {
        /// The room.
        room: RoomId,
        /// The version of its last event.
        head_v: u64,
        /// Everything since the last version comes as well.
        recovered: bool,
    },
    /// Nothing more comes from a room.
    Ended {
        /// The room.
        room: RoomId,
        /// Why.
        reason: Ending,
    },
    /// The room goes on after `head_v`: the last version is not one of this room (read again what you keep of it), or
    /// the user is `no-longer-inside`, and the next event is the one that says so.
    Reset {
        /// The room.
        room: RoomId,
        /// Why, as the server says.
        reason: String,
        /// The version of the room's last event.
        head_v: u64,
    },
    /// Something of the moment in a room that is followed; the next one counts, and one may be lost.
    Signal {
        /// The room.
        room: RoomId,
        /// What.
        sign: Sign,
    },
    /// Something that the user should know of, whichever rooms are followed.
    Alarm(Alarm),
    /// Alarms may have been missed: read the list again.
    AlarmsReset {
        /// Why, as the server says.
        reason: String,
    },
    /// The open rooms in which the user is, all of them, and how many messages are unread in each. Comes on every
    /// connection, and is followed by what changes.
    MyRooms(BTreeMap<RoomId, u64>),
    /// The user stands otherwise to a room than before.
    Membership {
        /// The room.
        room: RoomId,
        /// How.
        standing: Standing,
        /// Since when, if that is known.
        at: Option<DateTime<Utc>>,
    },
    /// So many messages are unread in a room of the user now.
    Unread {
        /// The room.
        room: RoomId,
        /// How many.
        unread: u64,
    },
    /// A query-service has accepted the token.
    Connected {
        /// Its address.
        url: String,
    },
    /// There is no connection, or a try to get one has failed; the next one is made by itself.
    Disconnected {
        /// Why.
        reason: Loss,
        /// When the next try is made.
        retry_in: Duration,
    },
}

/// An event of a room's feed. Its JSON is the frame it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The room.
    pub room: RoomId,
    /// Its version: 1, 2, 3 ... in the room.
    pub v: u64,
    /// What happened: `message_posted`, `member_joined`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who acted; none when nobody did, as at a deadline.
    pub by: Option<UserId>,
    /// The details, by kind.
    pub data: Value,
    /// The `Idempotency-Key` of the command that made it happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// What lasts a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// This user types.
    Typing(UserId),
    /// These users are connected to the room, and nobody else.
    Presence(BTreeSet<UserId>),
}

/// Something that the user should know of. Its JSON is the frame it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The same wherever this alarm is told; told once by a client.
    pub id: String,
    /// What it is about: `mention`, `reply`, `kicked`, ...
    pub kind: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// In which room.
    pub room: RoomId,
    /// About which message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Who made it happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
}

/// How the user stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Is inside; nothing is unread until an [`Incoming::Unread`] says so.
    Inside,
    /// Left.
    Left,
    /// Was put out.
    Kicked,
    /// Was inside when the room closed.
    Closed,
    /// A later version of the protocol knows more ways.
    #[serde(other)]
    Unknown,
}

/// Why nothing more comes from a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// It was unsubscribed.
    #[error("unsubscribed")]
    Requested,
    /// The user is not a member any more: left, kicked.
    #[error("{0}")]
    Parted(String),
    /// The server refused to begin.
    #[error("{detail} ({code})")]
    Refused {
        /// The problem's code, such as `not-a-member`.
        code: String,
        /// What a person may read.
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

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The service has refused.
    #[error("{detail} ({code})")]
    Refused {
        /// The problem's code, such as `not-a-member`.
        code: String,
        /// What a person may read.
        detail: String,
    },
    /// The client has stopped for good, or nobody reads its inbox any more.
    #[error("the client has stopped")]
    Stopped,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// No service answers at the address.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The token could not be got.
    #[error("no token: {0}")]
    NoToken(String),
    /// The service has said good-bye.
    #[error("closed by the service: {reason} ({code})")]
    Closed {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The service says nothing any more.
    #[error("the service is silent")]
    Silent,
    /// The service sends what makes no sense.
    #[error("the service sends nonsense: {0}")]
    Nonsense(String),
}

/// Why a client has stopped for good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An address that is none.
    #[error("{url:?} is not an address like https://host:port")]
    InvalidAddress {
        /// The address.
        url: String,
    },
    /// The token is refused, and there is no other one.
    #[error("the token is refused: {reason} ({code})")]
    TokenRefused {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// The service does not want this client to come back.
    #[error("the service does not want this client: {reason} ({code})")]
    Refused {
        /// The close code.
        code: u16,
        /// The reason.
        reason: String,
    },
}
