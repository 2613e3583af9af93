//! The frames of `boxroom.v1` as a client writes and reads them. Names are on the wire: never rename.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{BoxId, MessageId, RoomId, UserId};
use serde::{Deserialize, Serialize};

use crate::incoming::{Alarm, Event, Standing};

/// A frame that a client sends.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientFrame {
    Hello {
        token: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        rooms: Vec<RoomFrom>,
    },
    Subscribe {
        id: u64,
        room_id: RoomId,
        #[serde(skip_serializing_if = "Option::is_none")]
        v: Option<u64>,
    },
    Unsubscribe {
        room_id: RoomId,
    },
    Fetch {
        id: u64,
        room_id: RoomId,
        after_v: u64,
    },
    Auth {
        id: u64,
        token: String,
    },
    Pong {},
}

impl ClientFrame {
    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("a frame has a JSON form")
    }
}

/// A room in a hello.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct RoomFrom {
    pub(crate) room_id: RoomId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) v: Option<u64>,
}

/// A frame that the server sends.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Event(Event),
    Other(ServerFrame),
}

/// A frame that the server sends, except events.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerFrame {
    Welcome {
        heartbeat_ms: u64,
        expires_in_ms: Option<u64>,
        cursor: Option<String>,
    },
    Subscribed {
        id: Option<u64>,
        room_id: RoomId,
        head_v: u64,
        recovered: bool,
    },
    Unsubscribed {
        room_id: RoomId,
        reason: String,
    },
    Fetched {
        id: Option<u64>,
        to_v: u64,
        head_v: u64,
    },
    Authorized {
        id: Option<u64>,
        expires_in_ms: Option<u64>,
    },
    Ping {
        cursor: Option<String>,
        #[serde(default)]
        heads: BTreeMap<RoomId, u64>,
    },
    Signal {
        room_id: RoomId,
        #[serde(flatten)]
        sign: Sign,
    },
    Alarm(Alarm),
    AlarmWithdrawn {
        id: String,
    },
    AlarmsWithdrawn {
        box_id: BoxId,
        by: UserId,
    },
    Alarms {
        unread: u64,
        up_to: Option<String>,
    },
    Blocks {
        users: BTreeSet<UserId>,
    },
    MyRooms {
        rooms: BTreeMap<RoomId, Unread>,
    },
    Membership {
        room_id: RoomId,
        standing: Standing,
        at: Option<DateTime<Utc>>,
    },
    Unread {
        room_id: RoomId,
        unread: u64,
    },
    /// Concerns alarms if it has no room.
    Reset {
        room_id: Option<RoomId>,
        reason: String,
        head_v: Option<u64>,
    },
    Error {
        id: Option<u64>,
        room_id: Option<RoomId>,
        code: String,
        detail: String,
    },
    Bye {
        code: u16,
        /// The delay before the client should reconnect; absent if it should not.
        retry_ms: Option<u64>,
        reason: String,
        cursor: Option<String>,
    },
    /// A frame of a later protocol version.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Sign {
    Typing {
        user_id: UserId,
    },
    Presence {
        users: BTreeSet<UserId>,
    },
    Read {
        markers: BTreeMap<UserId, MessageId>,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Unread {
    pub(crate) unread: u64,
}

/// The field that distinguishes events: only they have a version, and their types are open-ended.
#[derive(Deserialize)]
struct Version {
    v: Option<u64>,
}

impl Frame {
    pub(crate) fn decode(text: &str) -> Result<Self, serde_json::Error> {
        match serde_json::from_str::<Version>(text)?.v {
            Some(_) => serde_json::from_str(text).map(Self::Event),
            None => serde_json::from_str(text).map(Self::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_recognized_by_its_version_and_keeps_its_form() {
        let text =
            r#"{"room_id":"b.1","v":3,"type":"ping","at":"2026-01-02T03:04:05.678Z","by":null,"data":{"a":[1]}}"#;
        let Frame::Event(event) = Frame::decode(text).unwrap() else { panic!("not an event") };
        assert_eq!((event.v, event.kind.as_str()), (3, "ping"));
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
    }

    #[test]
    fn additions_of_a_later_server_are_ignored() {
        let heads = [("b.1".parse().unwrap(), 7)].into();
        let known = Frame::decode(r#"{"type":"ping","heads":{"b.1":7},"more":"x"}"#).unwrap();
        assert_eq!(known, Frame::Other(ServerFrame::Ping { cursor: None, heads }));
        let unknown = Frame::decode(r#"{"type":"cake","room_id":"b.1","slices":2}"#).unwrap();
        assert_eq!(unknown, Frame::Other(ServerFrame::Unknown));
        let signal = Frame::decode(r#"{"type":"signal","room_id":"b.1","kind":"singing","user_id":"ana"}"#).unwrap();
        assert_eq!(signal, Frame::Other(ServerFrame::Signal { room_id: "b.1".parse().unwrap(), sign: Sign::Unknown }));
    }

    #[test]
    fn an_unknown_version_is_omitted() {
        let room: RoomId = "b.1".parse().unwrap();
        let subscribe = |v| ClientFrame::Subscribe { id: 1, room_id: room.clone(), v }.encode();
        assert_eq!(subscribe(None), r#"{"type":"subscribe","id":1,"room_id":"b.1"}"#);
        assert_eq!(subscribe(Some(0)), r#"{"type":"subscribe","id":1,"room_id":"b.1","v":0}"#);
        assert_eq!(ClientFrame::Pong {}.encode(), r#"{"type":"pong"}"#);
    }
}
