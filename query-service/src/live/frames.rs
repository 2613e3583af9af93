//! The frames of `boxroom.v1`. Names on the wire; never rename.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

pub(super) use super::farewell::Farewell;
use crate::{schemas, views::AlarmKind};

/// The most bytes of a client's frame.
pub(super) const MAX_FRAME: usize = 16 * 1024;

/// The most bytes of a hello, which may name many rooms and carry a long cursor.
pub(super) const MAX_HELLO: usize = 3 * MAX_FRAME;

/// A frame beyond this is not even read, and ends the connection without a word.
pub(super) const HARD_MAX_FRAME: usize = 4 * MAX_FRAME;

/// What a client says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ClientFrame {
    /// Who it is and what it wants to follow; the first frame.
    Hello {
        token: String,
        /// How far it came before; a version that is given with a room wins.
        cursor: Option<String>,
        #[serde(default)]
        rooms: Vec<RoomFrom>,
    },
    /// Wants to follow a room, from a version or from now on.
    Subscribe {
        id: Option<FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room: RoomId,
        #[serde(default, deserialize_with = "version")]
        #[schema(minimum = 0)]
        v: Option<i64>,
    },
    /// Does not want to follow it any more.
    Unsubscribe {
        id: Option<FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room: RoomId,
    },
    /// Types in a room that it follows.
    Typing {
        #[schema(schema_with = schemas::room_id)]
        room: RoomId,
    },
    /// Wants a page of a room's feed, without following it.
    Fetch {
        id: Option<FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room: RoomId,
        #[serde(deserialize_with = "version")]
        #[schema(minimum = 0)]
        after_v: i64,
    },
    /// Has a newer token.
    Auth { id: Option<FrameId>, token: String },
    /// Is still there.
    Pong {},
}

/// A room in a hello.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomFrom {
    #[schema(schema_with = schemas::room_id)]
    pub(super) id: RoomId,
    /// The last version that the client has; from now on without it.
    #[serde(default, deserialize_with = "version")]
    #[schema(minimum = 0)]
    pub(super) v: Option<i64>,
}

/// A version, or none: never negative.
fn version<'de, D: Deserializer<'de>, V: Deserialize<'de> + Copy + Into<Option<i64>>>(input: D) -> Result<V, D::Error> {
    let v = V::deserialize(input)?;
    if v.into().is_some_and(|v| v < 0) { Err(D::Error::custom("a version must not be negative")) } else { Ok(v) }
}

/// What a client calls its request; comes back with the answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum FrameId {
    Number(i64),
    Text(String),
}

/// What the server says, events aside: those are `{"room": ...}` and the event's own fields, see [`event_frame`].
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerFrame<'a> {
    /// The token was good; these rooms go on after these versions.
    Welcome {
        session: String,
        heartbeat_ms: u64,
        /// How long the token is good.
        expires_in_ms: u64,
        /// From where the connection begins: good as long as no later one has come.
        cursor: String,
        #[schema(schema_with = schemas::versions)]
        resumed: BTreeMap<&'a RoomId, i64>,
    },
    /// What happens in the room comes from now on; `recovered` if also everything since the client's version.
    Subscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        #[schema(minimum = 0)]
        head_v: i64,
        recovered: bool,
    },
    /// Nothing more comes from the room.
    Unsubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        reason: Parting,
    },
    /// The events before this frame are a page of the feed, which reaches this far.
    Fetched {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        #[schema(minimum = 0)]
        to_v: i64,
        #[schema(minimum = 0)]
        head_v: i64,
    },
    /// The newer token was good, and the connection may last until then.
    Authorized {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        expires_at: DateTime<Utc>,
        expires_in_ms: u64,
    },
    /// Answer with a pong; with the cursor, any instance goes on after everything that came before this frame. Here, a head greater than the client's version shows a lost tail.
    Ping {
        cursor: String,
        #[schema(schema_with = schemas::versions)]
        heads: BTreeMap<&'a RoomId, i64>,
    },
    /// What has no version, is true at the moment and may be lost.
    Signal {
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        #[serde(flatten)]
        sign: Sign<'a>,
    },
    /// Something that the user should know of, whichever rooms the connection follows.
    Alarm {
        /// The same whenever and wherever this alarm is told.
        id: String,
        #[schema(value_type = AlarmKind)]
        kind: &'a str,
        at: DateTime<Utc>,
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::message_id)]
        message_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::user_id)]
        by: Option<&'a UserId>,
    },
    /// The open rooms in which the user is, all of them; comes once.
    MyRooms {
        #[schema(schema_with = schemas::unread_by_room)]
        rooms: BTreeMap<&'a RoomId, UnreadView>,
    },
    /// The user stands otherwise to a room than before.
    Membership {
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        standing: Membership,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        at: Option<DateTime<Utc>>,
    },
    /// What is unread in a room of the user is another number than before.
    Unread {
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        #[schema(minimum = 0)]
        unread: i64,
    },
    /// The client reads too slowly; the room goes on from the feed.
    Lagging {
        #[schema(schema_with = schemas::room_id)]
        room: &'a RoomId,
        #[schema(minimum = 0)]
        from_v: i64,
    },
    /// What the client knows of the room is not from this feed, or the user is `no-longer-inside` and gets the event that
    /// says so only: the next one after `head_v`. Without a room: of the user's alarms.
    Reset {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::room_id)]
        room: Option<&'a RoomId>,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 0, nullable = false)]
        head_v: Option<i64>,
    },
    /// A request that failed; the connection goes on.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::room_id)]
        room: Option<&'a RoomId>,
        code: &'static str,
        detail: &'a str,
    },
    /// The last frame before the connection closes with this code.
    Bye {
        code: u16,
        /// When the client is to come back; absent if it is not to.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        retry_ms: Option<u64>,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        cursor: Option<String>,
    },
}

impl ServerFrame<'_> {
    pub(super) fn encode(&self) -> Utf8Bytes {
        serde_json::to_string(self).expect("a frame has a JSON form").into()
    }
}

/// What happens in a room without being an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Sign<'a> {
    /// This user types.
    Typing {
        #[schema(schema_with = schemas::user_id)]
        user: &'a UserId,
    },
    /// These users are connected to the room, all of them.
    Presence {
        #[schema(schema_with = schemas::users)]
        users: &'a BTreeSet<UserId>,
    },
}

/// What is unread in a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadView {
    #[schema(minimum = 0)]
    pub(super) unread: i64,
}

/// How a user stands to a room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Membership {
    /// Is inside; nothing is unread unless an `unread` says so.
    Inside,
    /// Left.
    Left,
    /// Was put out.
    Kicked,
    /// Was inside when the room closed.
    Closed,
}

/// Why nothing more comes from a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Parting {
    /// The client wished so.
    Requested,
    /// The user left the room.
    Left,
    /// The user was put out of the room.
    Kicked,
    /// The room has closed.
    Closed,
}

/// The frame of an event: its own JSON object, with the room in front.
pub(super) fn event_frame(room: &RoomId, event: &str) -> Option<Utf8Bytes> {
    let fields = event.trim_start().strip_prefix('{')?;
    Some(format!("{{\"room\":\"{room}\",{fields}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_frames_are_strict() {
        let good = r#"{"type":"hello","token":"t","rooms":[{"id":"b.1","v":3},{"id":"b.2"}]}"#;
        assert!(matches!(serde_json::from_str(good), Ok(ClientFrame::Hello { rooms, .. }) if rooms.len() == 2));
        assert!(serde_json::from_str::<ClientFrame>(r#"{"type":"pong"}"#).is_ok());
        assert!(serde_json::from_str::<ClientFrame>(r#"{"type":"subscribe","id":7,"room":"b.1"}"#).is_ok());
        for bad in [
            "",
            "[]",
            r#"{"type":"shout"}"#,
            r#"{"type":"pong","more":1}"#,
            r#"{"type":"subscribe","room":"not a room"}"#,
            r#"{"type":"subscribe","room":"b.1","v":"3"}"#,
        ] {
            assert!(serde_json::from_str::<ClientFrame>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_events_frame_is_the_event_and_its_room() {
        let frame = event_frame(&"b.1".parse().unwrap(), r#"{"v":1,"type":"door_opened"}"#).unwrap();
        assert_eq!(frame.as_str(), r#"{"room":"b.1","v":1,"type":"door_opened"}"#);
        assert_eq!(event_frame(&"b.1".parse().unwrap(), "7"), None);
    }
}
