//! Items of the client in the form of scenarios.

use client::{Ending, Error, Incoming, Loss, Sign, Standing};
use serde_json::{Value, json};

/// Returns an object with one field: the type of the item, and its data.
pub(super) fn to_json(item: &Result<Incoming, Error>) -> Value {
    match item {
        Err(error) => json!({ "stopped": stopped(error) }),
        Ok(incoming) => incoming_to_json(incoming),
    }
}

fn incoming_to_json(incoming: &Incoming) -> Value {
    match incoming {
        Incoming::Event(event) => json!({ "event": event }),
        Incoming::Subscribed { room, head_v, recovered } => {
            json!({ "subscribed": { "room_id": room, "head_v": head_v, "recovered": recovered } })
        }
        Incoming::Ended { room, reason } => json!({ "ended": { "room_id": room, "reason": ending(reason) } }),
        Incoming::Reset { room, reason, head_v } => {
            json!({ "reset": { "room_id": room, "reason": reason, "head_v": head_v } })
        }
        Incoming::Signal { room, sign } => {
            let mut data = match sign {
                Sign::Typing(user) => json!({ "kind": "typing", "user_id": user }),
                Sign::Presence(users) => json!({ "kind": "presence", "users": users }),
                Sign::Read(markers) => json!({ "kind": "read", "markers": markers }),
            };
            data["room_id"] = json!(room);
            json!({ "signal": data })
        }
        Incoming::Alarm(alarm) => json!({ "alarm": alarm }),
        Incoming::AlarmWithdrawn { id } => json!({ "alarm_withdrawn": { "id": id } }),
        Incoming::AlarmsWithdrawn { box_id, by } => json!({ "alarms_withdrawn": { "box_id": box_id, "by": by } }),
        Incoming::UnreadAlarms { unread, up_to } => json!({ "unread_alarms": { "unread": unread, "up_to": up_to } }),
        Incoming::AlarmsReset { reason } => json!({ "alarms_reset": { "reason": reason } }),
        Incoming::Blocks(users) => json!({ "blocks": { "users": users } }),
        Incoming::MyRooms(rooms) => json!({ "my_rooms": rooms }),
        Incoming::Membership { room, standing, at } => {
            json!({ "membership": { "room_id": room, "standing": standing_name(*standing), "at": at } })
        }
        Incoming::Unread { room, unread } => json!({ "unread": { "room_id": room, "unread": unread } }),
        Incoming::Connected { url } => json!({ "connected": { "url": url } }),
        Incoming::Disconnected { reason, retry_in } => {
            let retry_in_ms = retry_in.as_secs_f64() * 1000.0;
            json!({ "disconnected": { "reason": loss(reason), "retry_in_ms": retry_in_ms } })
        }
    }
}

fn stopped(error: &Error) -> Value {
    match error {
        Error::TokenRefused { code, reason } => json!({ "kind": "token_refused", "code": code, "reason": reason }),
        Error::Refused { code, reason } => json!({ "kind": "refused", "code": code, "reason": reason }),
        Error::InvalidAddress { url } => panic!("{url:?} is not an address"),
    }
}

fn ending(ending: &Ending) -> Value {
    match ending {
        Ending::Requested => json!({ "kind": "requested" }),
        Ending::Parted(reason) => json!({ "kind": "parted", "reason": reason }),
        Ending::Refused { code, detail } => json!({ "kind": "refused", "code": code, "detail": detail }),
    }
}

fn loss(loss: &Loss) -> Value {
    match loss {
        Loss::Unreachable(detail) => json!({ "kind": "unreachable", "detail": detail }),
        Loss::NoToken(detail) => json!({ "kind": "no_token", "detail": detail }),
        Loss::Closed { code, reason } => json!({ "kind": "closed", "code": code, "reason": reason }),
        Loss::Broken(detail) => json!({ "kind": "broken", "detail": detail }),
        Loss::Silent => json!({ "kind": "silent" }),
        Loss::ProtocolViolation(detail) => json!({ "kind": "protocol_violation", "detail": detail }),
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Inside => "inside",
        Standing::Left => "left",
        Standing::Kicked => "kicked",
        Standing::Closed => "closed",
        Standing::Unknown => "unknown",
    }
}
