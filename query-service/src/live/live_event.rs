//! An event of a room on its way to the room's followers.

use axum::extract::ws::Utf8Bytes;
use domain::{RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::frames::{UnsubscribeReason, event_frame};

/// An event of a room, encoded for all followers of the room, which share it.
#[derive(Debug)]
pub(super) struct LiveEvent {
    pub(super) room: RoomId,
    pub(super) v: i64,
    /// The frame without the id of the command.
    pub(super) frame: Utf8Bytes,
    /// The frame with the id of the command, for the user who sent it.
    pub(super) sender_frame: Option<(UserId, Utf8Bytes)>,
    /// The subscriptions that end with this event, and the reason.
    pub(super) ends: Option<UnsubscribeScope>,
}

impl LiveEvent {
    /// Returns the frame that a user receives.
    pub(super) fn frame_for(&self, user: &UserId) -> &Utf8Bytes {
        let for_sender = self.sender_frame.as_ref().filter(|(sender, _)| sender == user);
        for_sender.map_or(&self.frame, |(_, frame)| frame)
    }

    /// The size in bytes of the longest frame.
    pub(super) fn size(&self) -> usize {
        self.sender_frame.as_ref().map_or(&self.frame, |(_, frame)| frame).len()
    }
}

/// The subscriptions of a room that an event ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UnsubscribeScope {
    /// Those of one user.
    User(UserId, UnsubscribeReason),
    /// All of them: the room was closed.
    AllUsers,
}

impl UnsubscribeScope {
    /// Returns the reason why a user's subscription ends, if it does.
    pub(super) fn reason_for(&self, user: &UserId) -> Option<UnsubscribeReason> {
        match self {
            Self::User(departed, reason) => (departed == user).then_some(*reason),
            Self::AllUsers => Some(UnsubscribeReason::Closed),
        }
    }
}

/// An event as notifications carry it. The time and the details pass through unparsed.
#[derive(Deserialize, Serialize)]
struct NotifiedEvent<'a> {
    v: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    at: &'a RawValue,
    by: Option<UserId>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<String>,
}

#[derive(Deserialize)]
struct Departure {
    user_id: UserId,
}

/// Encodes an event for all followers and, if the id of its command is known, for the user who sent the command.
pub(super) fn live_event<'a>(room: &RoomId, event: &'a str) -> Option<(LiveEvent, &'a str)> {
    let mut event: NotifiedEvent<'a> = serde_json::from_str(event).ok()?;
    let one = |reason| {
        let departure = serde_json::from_str::<Departure>(event.data.get()).ok()?;
        Some(UnsubscribeScope::User(departure.user_id, reason))
    };
    let ends = match event.kind {
        "member_left" => Some(one(UnsubscribeReason::Left)?),
        "member_kicked" => Some(one(UnsubscribeReason::Kicked)?),
        "room_closed" => Some(UnsubscribeScope::AllUsers),
        _ => None,
    };
    let sender_frame = match (&event.by, &event.command_id) {
        (Some(sender), Some(_)) => Some((sender.clone(), event_frame(room, &event)?)),
        _ => None,
    };
    event.command_id = None;
    let frame = event_frame(room, &event)?;
    Some((LiveEvent { room: room.clone(), v: event.v, frame, sender_frame, ends }, event.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subscriptions_that_an_event_ends_are_known() {
        let room: RoomId = "b.1".parse().unwrap();
        let live_event = |event| Some(live_event(&room, event)?.0);
        let posted = live_event(r#"{"v":4,"type":"message_posted","at":"-","by":"ana","data":{"body":"hi"}}"#).unwrap();
        assert_eq!((posted.v, posted.ends), (4, None));
        let kicked = live_event(r#"{"v":5,"type":"member_kicked","at":"-","by":"ana","data":{"user_id":"ben"}}"#);
        assert_eq!(
            kicked.unwrap().ends,
            Some(UnsubscribeScope::User("ben".parse().unwrap(), UnsubscribeReason::Kicked))
        );
        let closed = live_event(r#"{"v":6,"type":"room_closed","at":"-","data":{"reason":"host"}}"#).unwrap();
        assert_eq!(closed.ends.unwrap().reason_for(&"ana".parse().unwrap()), Some(UnsubscribeReason::Closed));
        assert!(live_event(r#"{"type":"message_posted"}"#).is_none());
    }

    #[test]
    fn only_the_sender_of_a_command_receives_its_id() {
        let room: RoomId = "b.1".parse().unwrap();
        let fields = |by: &str, id: &str| format!(r#""v":1,"type":"door_opened","at":"-","by":{by},"data":{{}}{id}}}"#);
        let frame = |by: &str, id: &str| format!(r#"{{"room_id":"b.1",{}"#, fields(by, id));
        let frames = |by: &str, id: &str| {
            let event = live_event(&room, &format!("{{{}", fields(by, id))).unwrap().0;
            ["ana", "ben"].map(|user| event.frame_for(&user.parse().unwrap()).to_string())
        };
        for id in [r#","command_id":"c-1""#, r#","command_id":"quote \" and backslash \\""#] {
            assert_eq!(frames(r#""ana""#, id), [frame(r#""ana""#, id), frame(r#""ana""#, "")]);
            assert_eq!(frames("null", id), [frame("null", ""), frame("null", "")]);
        }
        assert_eq!(frames(r#""ana""#, ""), [frame(r#""ana""#, ""), frame(r#""ana""#, "")]);
    }
}
