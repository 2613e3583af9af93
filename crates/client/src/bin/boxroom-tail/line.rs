//! Incoming items as lines of text.

use client::{Alarm, Event, Standing};
use domain::RoomId;
use serde_json::Value;

/// Formats time, room, version, user and event. Control characters are replaced, so that no text can move the cursor.
pub(crate) fn of(event: &Event) -> String {
    let user = event.by.as_ref().map_or("-", |user| user.as_str());
    sanitize(&format!("{} {} {:>4} {user} {}", event.at.format("%F %TZ"), event.room, event.v, description(event)))
}

/// Formats time, room and the cause of the alarm.
pub(crate) fn of_alarm(alarm: &Alarm) -> String {
    let user = alarm.by.as_ref().map_or("a member", |user| user.as_str());
    let description = match alarm.kind.as_str() {
        "reply" => format!("{user} replies to you"),
        "reaction" => format!("{user} reacts to your message"),
        "mention" => format!("{user} mentions you"),
        "kicked" => format!("{user} kicks you"),
        "made_host" => "you are the host now".to_owned(),
        "closing_soon" => "the room closes soon".to_owned(),
        "room_closed" => "the room is closed".to_owned(),
        "order_arrived" => "the order has arrived".to_owned(),
        "room_extended" => format!("{user} extends the room"),
        "door_opened" => "the door was opened".to_owned(),
        "message_after_silence" => format!("{user} writes after a silence"),
        kind => kind.to_owned(),
    };
    sanitize(&format!("{} {}  ! {description}", alarm.at.format("%F %TZ"), alarm.room))
}

/// Formats the room and the user's standing in it.
pub(crate) fn of_membership(room: &RoomId, standing: Standing) -> String {
    let description = match standing {
        Standing::Inside => "you are a member",
        Standing::Left => "you have left",
        Standing::Kicked => "you were kicked",
        Standing::Closed => "closed, and you were a member",
        Standing::Unknown => "your standing has changed",
    };
    format!("{room}: {description}")
}

fn sanitize(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn description(event: &Event) -> String {
    let text = |name: &str| event.data[name].as_str().unwrap_or("?");
    match event.kind.as_str() {
        "message_posted" => match event.data["body"].as_str() {
            Some(body) => format!("says: {body}"),
            None => "said something that has been deleted since".to_owned(),
        },
        "message_edited" => match event.data["body"].as_str() {
            Some(body) => format!("edits {}: {body}", text("message_id")),
            None => "edited something that has been deleted since".to_owned(),
        },
        "message_deleted" => format!("deletes {}", text("message_id")),
        "reaction_added" => format!("reacts to {} with {}", text("message_id"), text("emoji")),
        "reaction_removed" => format!("removes {} from {}", text("emoji"), text("message_id")),
        "member_joined" => "joins".to_owned(),
        "member_left" => "leaves".to_owned(),
        "member_kicked" => format!("kicks {}", text("user_id")),
        "kick_lifted" => format!("lifts the kick of {}", text("user_id")),
        "host_transferred" => format!("{} is host after {}", text("to"), text("from")),
        "co_host_appointed" => format!("makes {} a co-host", text("user_id")),
        "co_host_dismissed" => format!("{} is no co-host any more", text("user_id")),
        "member_muted" => format!("mutes {} until {}", text("user_id"), text("until")),
        "member_unmuted" => format!("unmutes {}", text("user_id")),
        "slow_mode_set" => format!("sets the time between messages to {} s", event.data["seconds"]),
        "message_pinned" => format!("pins {}", text("message_id")),
        "message_unpinned" => format!("unpins {}", text("message_id")),
        "room_invitation_created" => format!("makes invitation {}", event.data["invitation"]),
        "room_invitation_revoked" => format!("revokes invitation {}", event.data["invitation"]),
        "room_invitation_used" => format!("uses invitation {}", event.data["invitation"]),
        "room_changed" => format!("changes the room: {}", event.data),
        "room_opened" => format!("opens the room: {}", text("title")),
        "room_closing_soon" => format!("the room closes at {}", text("closes_at")),
        "room_closed" => format!("the room closes ({})", text("reason")),
        "room_extended" => format!("extends the room until {}", text("closes_at")),
        "step_advanced" => format!("next step: {}", text("step")),
        "order_arrived" => "the order has arrived".to_owned(),
        "door_opened" => "the door was opened".to_owned(),
        kind if event.data == Value::Object(serde_json::Map::new()) => kind.to_owned(),
        kind => format!("{kind} {}", event.data),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(by: &Value, kind: &str, data: &Value) -> String {
        let event =
            json!({ "room_id": "b.1", "v": 7, "type": kind, "at": "2026-01-02T03:04:05.678Z", "by": by, "data": data });
        of(&serde_json::from_value(event).unwrap())
    }

    #[test]
    fn a_line_has_time_room_user_and_event() {
        let posted = line(&json!("ana"), "message_posted", &json!({ "body": "Two, please" }));
        assert_eq!(posted, "2026-01-02 03:04:05Z b.1    7 ana says: Two, please");
        let closed = line(&Value::Null, "room_closed", &json!({ "reason": "expired" }));
        assert_eq!(closed, "2026-01-02 03:04:05Z b.1    7 - the room closes (expired)");
    }

    #[test]
    fn an_unknown_event_is_printed_unchanged() {
        assert!(line(&json!("ana"), "cake_eaten", &json!({ "slices": 2 })).ends_with(r#"ana cake_eaten {"slices":2}"#));
        assert!(line(&json!("ana"), "cake_eaten", &json!({})).ends_with("ana cake_eaten"));
    }

    #[test]
    fn an_alarm_line_gives_its_reason() {
        let alarm = json!({
            "id": "box-1-7-mention", "kind": "mention", "at": "2026-01-02T03:04:05.678Z", "room_id": "b.1", "by": "ben",
        });
        let line = of_alarm(&serde_json::from_value(alarm).unwrap());
        assert_eq!(line, "2026-01-02 03:04:05Z b.1  ! ben mentions you");
    }

    #[test]
    fn a_message_cannot_move_the_terminal_cursor() {
        let posted = line(&json!("ana"), "message_posted", &json!({ "body": "a\nb\u{1b}[2J" }));
        assert!(posted.ends_with("says: a b [2J"), "{posted}");
    }
}
