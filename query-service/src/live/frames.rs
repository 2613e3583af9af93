//! The frames of `boxroom.v1`. Names are on the wire: never rename.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{MessageId, RoomId, UserId, values::ZipCode};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use utoipa::ToSchema;

use crate::{
    location::{Location, Radius},
    schemas,
    views::{AlarmKind, LobbyRoomView},
};

/// The maximum size of a client's frame in bytes.
pub(super) const MAX_FRAME: usize = 16 * 1024;

/// The maximum size of a hello in bytes. A hello may name many rooms and have a long cursor.
pub(super) const MAX_HELLO: usize = 3 * MAX_FRAME;

/// The size in bytes from which a frame is not even read: it ends the connection without a close code.
pub(super) const HARD_MAX_FRAME: usize = 4 * MAX_FRAME;

/// A frame from the client.
// The aliases are former names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ClientFrame {
    /// Identifies the client and selects rooms; must be the first frame.
    Hello {
        token: String,
        /// The cursor to resume from. A version that is given with a room takes precedence.
        cursor: Option<String>,
        #[serde(default)]
        rooms: Vec<RoomFrom>,
    },
    /// Follows a room, after a version or from now on.
    Subscribe {
        id: Option<FrameId>,
        #[serde(alias = "room")]
        #[schema(schema_with = schemas::room_id)]
        room_id: RoomId,
        #[serde(default, deserialize_with = "version")]
        #[schema(minimum = 0)]
        v: Option<i64>,
    },
    /// Stops following a room.
    Unsubscribe {
        id: Option<FrameId>,
        #[serde(alias = "room")]
        #[schema(schema_with = schemas::room_id)]
        room_id: RoomId,
    },
    /// The user is typing in a room that the connection follows.
    Typing {
        #[serde(alias = "room")]
        #[schema(schema_with = schemas::room_id)]
        room_id: RoomId,
    },
    /// Requests a page of a room's feed, without following the room.
    Fetch {
        id: Option<FrameId>,
        #[serde(alias = "room")]
        #[schema(schema_with = schemas::room_id)]
        room_id: RoomId,
        #[serde(deserialize_with = "version")]
        #[schema(minimum = 0)]
        after_v: i64,
    },
    /// Follows the open rooms of a postal code or around a location, in place of any that the connection followed.
    SubscribeLobby {
        id: Option<FrameId>,
        #[schema(schema_with = schemas::zip_code)]
        zip_code: Option<ZipCode>,
        /// Latitude and longitude in degrees, rounded to thousandths.
        #[schema(value_type = Option<String>, example = "51.34,12.37")]
        near: Option<Location>,
        /// The maximum distance from `near` in metres.
        #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000, default = 5_000)]
        radius: Option<Radius>,
    },
    /// Stops following open rooms.
    UnsubscribeLobby { id: Option<FrameId> },
    /// Presents a newer token.
    Auth { id: Option<FrameId>, token: String },
    /// Answers a ping.
    Pong {},
}

/// A room in a hello.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomFrom {
    #[serde(alias = "id")]
    #[schema(schema_with = schemas::room_id)]
    pub(super) room_id: RoomId,
    /// The last version that the client has. Without it, only new events follow.
    #[serde(default, deserialize_with = "version")]
    #[schema(minimum = 0)]
    pub(super) v: Option<i64>,
}

/// Deserializes a version, which must not be negative, or none.
fn version<'de, D: Deserializer<'de>, V: Deserialize<'de> + Copy + Into<Option<i64>>>(input: D) -> Result<V, D::Error> {
    let v = V::deserialize(input)?;
    if v.into().is_some_and(|v| v < 0) { Err(D::Error::custom("a version must not be negative")) } else { Ok(v) }
}

/// An id that the client chooses for a request. The answer repeats it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum FrameId {
    Number(i64),
    Text(String),
}

impl FrameId {
    /// Returns the id of a frame that may be malformed otherwise.
    pub(super) fn of(frame: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Identified {
            id: Option<FrameId>,
        }
        serde_json::from_str::<Identified>(frame).ok()?.id
    }
}

/// A frame from the server, except events: those are `{"room_id": ...}` with the event's own fields, see
/// [`event_frame`].
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerFrame<'a> {
    /// The token was accepted. `resumed` has the rooms that continue after these versions.
    Welcome {
        session: String,
        heartbeat_ms: u64,
        /// The lifetime of the token.
        expires_in_ms: u64,
        /// The cursor of the beginning, valid until a later one arrives.
        cursor: String,
        #[schema(schema_with = schemas::versions)]
        resumed: BTreeMap<&'a RoomId, i64>,
    },
    /// The room is followed from now on. If `recovered`, all events since the client's version follow as well.
    Subscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        #[schema(minimum = 0)]
        head_v: i64,
        recovered: bool,
    },
    /// The room is not followed any more.
    Unsubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        reason: UnsubscribeReason,
    },
    /// The end of a requested page: its events precede this frame and reach up to `to_v`.
    Fetched {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        #[schema(minimum = 0)]
        to_v: i64,
        #[schema(minimum = 0)]
        head_v: i64,
    },
    /// The newer token was accepted. The connection may last until it expires.
    Authorized {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        expires_at: DateTime<Utc>,
        expires_in_ms: u64,
    },
    /// Answer with a pong. The cursor covers all earlier frames, at any instance. If the client does not reach a head
    /// version before the next ping, it has lost events.
    Ping {
        cursor: String,
        #[schema(schema_with = schemas::versions)]
        heads: BTreeMap<&'a RoomId, i64>,
    },
    /// A signal in a followed room: transient, without a version, and possibly lost.
    Signal {
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        #[serde(flatten)]
        sign: Sign<'a>,
    },
    /// A new alarm of the user from any room, or one with another count, which replaces the earlier one.
    Alarm {
        /// The id of the alarm, the same on every connection.
        id: String,
        #[schema(value_type = AlarmKind)]
        kind: &'a str,
        at: DateTime<Utc>,
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::message_id)]
        message_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::user_id)]
        by: Option<&'a UserId>,
        /// The number of users who reacted; 1 for other kinds.
        #[schema(minimum = 1)]
        count: i32,
    },
    /// An alarm is withdrawn: its message was deleted, or its last reaction removed.
    AlarmWithdrawn {
        /// The id of the alarm.
        id: String,
    },
    /// All alarms that messages of a user on a box have caused are withdrawn: the user was erased.
    AlarmsWithdrawn {
        #[schema(schema_with = schemas::box_id)]
        box_id: &'a str,
        #[schema(schema_with = schemas::user_id)]
        by: &'a str,
    },
    /// The number of the user's unread alarms, after new alarms and when any client has marked some as read.
    Alarms {
        /// 1000 stands for 1000 or more.
        #[schema(minimum = 0, maximum = 1000)]
        unread: i64,
        /// The token with which `POST /alarms/read` marks all alarms as read that were sent before this frame.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        up_to: Option<&'a str>,
    },
    /// The users that the user has blocked, at the beginning if there are any, and after each change. Replaces the
    /// earlier ones: a connection begins without any.
    Blocks {
        #[schema(schema_with = schemas::users)]
        users: &'a BTreeSet<UserId>,
    },
    /// All open rooms that the user is a member of. Sent once.
    MyRooms {
        #[schema(schema_with = schemas::unread_by_room)]
        rooms: BTreeMap<&'a RoomId, UnreadView>,
    },
    /// The user's standing in a room has changed.
    Membership {
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        standing: Membership,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        at: Option<DateTime<Utc>>,
    },
    /// The number of unread messages in a room of the user has changed.
    Unread {
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        #[schema(minimum = 0)]
        unread: i64,
    },
    /// The open rooms that the client asked for follow.
    LobbySubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
    },
    /// The open rooms are not followed any more.
    LobbyUnsubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
    },
    /// The open rooms that the client follows: the newest of a postal code or the nearest around a location, at most
    /// 100.
    Lobby { rooms: Vec<&'a LobbyRoomView> },
    /// Rooms that were opened or changed, and the ids of those that were closed or gave way to others. At most once a
    /// second.
    LobbyChanged {
        rooms: Vec<&'a LobbyRoomView>,
        #[schema(schema_with = schemas::room_id_list)]
        removed: Vec<&'a str>,
    },
    /// The client reads too slowly. The room continues from the feed.
    Lagging {
        #[schema(schema_with = schemas::room_id)]
        room_id: &'a RoomId,
        #[schema(minimum = 0)]
        from_v: i64,
    },
    /// The client's version is unknown in this room, or the user is `no-longer-inside` and receives the parting event
    /// only: the next one after `head_v`. Without a room: the client's cursor of alarms is unknown.
    Reset {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::room_id)]
        room_id: Option<&'a RoomId>,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(minimum = 0, nullable = false)]
        head_v: Option<i64>,
    },
    /// A request failed. The connection continues.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, value_type = Option<FrameId>)]
        id: Option<&'a FrameId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::room_id)]
        room_id: Option<&'a RoomId>,
        code: &'static str,
        detail: &'a str,
    },
    /// The connection closes with this code. The last frame.
    Bye {
        code: u16,
        /// The delay in milliseconds before the client should reconnect; absent if it should not.
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

/// A transient state of a room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Sign<'a> {
    /// The user is typing.
    Typing {
        #[schema(schema_with = schemas::user_id)]
        user_id: &'a UserId,
    },
    /// All users who are connected to the room.
    Presence {
        #[schema(schema_with = schemas::users)]
        users: &'a BTreeSet<UserId>,
    },
    /// The last messages that these members have marked as read.
    Read {
        #[schema(schema_with = schemas::read_markers)]
        markers: BTreeMap<UserId, MessageId>,
    },
}

/// The number of unread messages in a room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadView {
    #[schema(minimum = 0)]
    pub(super) unread: i64,
}

/// A user's standing in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Membership {
    /// Is a member. The unread count is 0 unless an `unread` follows.
    Inside,
    /// Left.
    Left,
    /// Was kicked.
    Kicked,
    /// Was a member when the room closed.
    Closed,
}

/// The reason why a room is not followed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnsubscribeReason {
    /// The client unsubscribed.
    Requested,
    /// The user left the room.
    Left,
    /// The user was kicked.
    Kicked,
    /// The room was closed.
    Closed,
}

/// Returns the frame of an event: its JSON object with the room added in front.
pub(super) fn event_frame(room: &RoomId, event: &impl Serialize) -> Option<Utf8Bytes> {
    let event = serde_json::to_string(event).ok()?;
    let fields = event.strip_prefix('{')?;
    Some(format!("{{\"room_id\":\"{room}\",{fields}").into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn client_frames_are_parsed_strictly() {
        let good = r#"{"type":"hello","token":"t","rooms":[{"room_id":"b.1","v":3},{"room_id":"b.2"}]}"#;
        assert!(matches!(serde_json::from_str(good), Ok(ClientFrame::Hello { rooms, .. }) if rooms.len() == 2));
        assert!(serde_json::from_str::<ClientFrame>(r#"{"type":"pong"}"#).is_ok());
        assert!(serde_json::from_str::<ClientFrame>(r#"{"type":"subscribe","id":7,"room_id":"b.1"}"#).is_ok());
        for bad in [
            "",
            "[]",
            r#"{"type":"shout"}"#,
            r#"{"type":"pong","more":1}"#,
            r#"{"type":"subscribe","room_id":"not a room"}"#,
            r#"{"type":"subscribe","room_id":"b.1","v":"3"}"#,
        ] {
            assert!(serde_json::from_str::<ClientFrame>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_former_names_of_rooms_are_accepted() {
        let hello = r#"{"type":"hello","token":"t","rooms":[{"id":"b.1","v":3}]}"#;
        let Ok(ClientFrame::Hello { rooms, .. }) = serde_json::from_str(hello) else { panic!("not a hello") };
        assert_eq!((rooms[0].room_id.to_string(), rooms[0].v), ("b.1".to_owned(), Some(3)));
        for name in ["room_id", "room"] {
            let frames = ["subscribe", "unsubscribe", "typing", "fetch"].map(|kind| {
                let mut frame = json!({ "type": kind, name: "b.1" });
                if kind == "fetch" {
                    frame["after_v"] = json!(0);
                }
                serde_json::from_value::<ClientFrame>(frame).unwrap()
            });
            for frame in frames {
                let (ClientFrame::Subscribe { room_id, .. }
                | ClientFrame::Unsubscribe { room_id, .. }
                | ClientFrame::Typing { room_id }
                | ClientFrame::Fetch { room_id, .. }) = frame
                else {
                    panic!("another frame");
                };
                assert_eq!(room_id.to_string(), "b.1");
            }
        }
        let twice = r#"{"type":"subscribe","room":"b.1","room_id":"b.2"}"#;
        assert!(serde_json::from_str::<ClientFrame>(twice).is_err());
    }

    #[test]
    fn an_event_frame_consists_of_the_event_and_its_room() {
        let frame = event_frame(&"b.1".parse().unwrap(), &json!({ "v": 1 })).unwrap();
        assert_eq!(frame.as_str(), r#"{"room_id":"b.1","v":1}"#);
        assert_eq!(event_frame(&"b.1".parse().unwrap(), &7), None);
    }
}
