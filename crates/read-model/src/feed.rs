//! Events of a room as its members see them: the `type` and the `data` of the rows of `room_events`.

use chrono::{DateTime, Utc};
use domain::{MessageId, RoomClosedReason, StoreId, TalkEvent, UserId, delivery_box::HostChange, values::Step};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::schemas;

/// An event of a room's feed, by `type`. Stored and public: never rename.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum RoomEvent {
    /// The room was opened. The host is its first member.
    RoomOpened {
        /// The store to order from.
        #[schema(schema_with = schemas::store_id)]
        store_id: StoreId,
        /// The title of the room.
        title: String,
        /// True if the user who opened the room was erased, and the title with them.
        title_erased: bool,
        /// The user who opened the room.
        #[schema(schema_with = schemas::user_id)]
        host: UserId,
        /// The maximum number of members.
        #[schema(minimum = 2, maximum = 100)]
        max_members: u32,
        /// True if joining needs a password.
        locked: bool,
        /// The time of opening.
        opened_at: DateTime<Utc>,
        /// The time at which the room closes automatically.
        closes_at: DateTime<Utc>,
    },
    /// A user joined the room.
    MemberJoined {
        /// The new member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// The nickname at the time of reading; null if the user was erased or is not known yet. Not stored: a row
        /// depends on its own stream only.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(required)]
        nickname: Option<String>,
    },
    /// A member left the room.
    MemberLeft {
        /// The former member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// The host removed a member, who cannot join again.
    MemberKicked {
        /// The removed member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// A moderator lifted the kick of a user, who can join again.
    KickLifted {
        /// The user.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// The host of the room changed.
    HostTransferred {
        /// The former host.
        #[schema(schema_with = schemas::user_id)]
        from: UserId,
        /// The new host.
        #[schema(schema_with = schemas::user_id)]
        to: UserId,
        /// The cause: the former host transferred the role, or left the room.
        #[schema(schema_with = schemas::host_change)]
        change: HostChange,
    },
    /// The order moved to its next step.
    StepAdvanced {
        /// The new step.
        #[schema(schema_with = schemas::step)]
        step: Step,
    },
    /// The closing time of the room was postponed.
    RoomExtended {
        /// The number of this extension, beginning at 1.
        #[schema(minimum = 1)]
        extension: u32,
        /// The added time in hours.
        #[schema(minimum = 1)]
        hours: u32,
        /// The new closing time.
        closes_at: DateTime<Utc>,
    },
    /// The room closes automatically in ten minutes.
    RoomClosingSoon {
        /// The closing time.
        closes_at: DateTime<Utc>,
    },
    /// The room was closed.
    RoomClosed {
        /// The cause: closed by the host or by a moderator, left by all members, expired, or its box was retired.
        #[schema(schema_with = schemas::closed_reason)]
        reason: RoomClosedReason,
    },
    /// The delivery was put into the box.
    OrderArrived {},
    /// The box's door was opened.
    DoorOpened {},
    /// A member posted a message.
    MessagePosted {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// The author of the message.
        #[schema(schema_with = schemas::user_id)]
        author: UserId,
        /// The text; null if the message has been deleted since.
        #[schema(required, max_length = 16000)]
        body: Option<String>,
        /// True if the author was erased, and the text with them.
        erased: bool,
        /// The id of the message that this one replies to, or null.
        #[schema(required, schema_with = schemas::message_id_or_null)]
        reply_to: Option<MessageId>,
        /// The ids of the mentioned members; empty if the message has been deleted since.
        #[schema(value_type = Vec<String>, max_items = 20)]
        mentions: Vec<UserId>,
        /// True if the host mentioned all members.
        mentions_all: bool,
    },
    /// The author edited a message.
    MessageEdited {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// The new text; null if the message has been deleted since.
        #[schema(required, max_length = 16000)]
        body: Option<String>,
        /// The ids of the mentioned members; empty if the message has been deleted since.
        #[schema(value_type = Vec<String>, max_items = 20)]
        mentions: Vec<UserId>,
        /// True if the host mentioned all members.
        mentions_all: bool,
        /// True if the author was erased, and the text with them.
        erased: bool,
    },
    /// The author, the host or a moderator deleted a message.
    MessageDeleted {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// True if a moderator deleted it, whose id members do not see.
        by_moderator: bool,
    },
    /// A member added a reaction to a message.
    ReactionAdded {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// The user who reacted.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// The emoji.
        emoji: String,
    },
    /// A member removed a reaction from a message.
    ReactionRemoved {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// The user whose reaction was removed.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// The emoji.
        emoji: String,
    },
}

/// Copies field by field, because events hold secrets (password hashes). The acting user is in the envelope.
impl From<domain::RoomEvent> for RoomEvent {
    fn from(event: domain::RoomEvent) -> Self {
        use domain::RoomEvent as Event;
        match event {
            Event::RoomOpened { store_id, title, host, max_members, password_hash, opened_at, closes_at } => {
                let locked = password_hash.is_some();
                Self::RoomOpened {
                    store_id,
                    title,
                    title_erased: false,
                    host,
                    max_members,
                    locked,
                    opened_at,
                    closes_at,
                }
            }
            Event::MemberJoined { user_id } => Self::MemberJoined { user_id, nickname: None },
            Event::MemberLeft { user_id } => Self::MemberLeft { user_id },
            Event::MemberKicked { user_id, by: _ } => Self::MemberKicked { user_id },
            Event::KickLifted { user_id } => Self::KickLifted { user_id },
            Event::HostTransferred { from, to, change } => Self::HostTransferred { from, to, change },
            Event::StepAdvanced { step } => Self::StepAdvanced { step },
            Event::RoomExtended { extension, hours, closes_at } => Self::RoomExtended { extension, hours, closes_at },
            Event::RoomClosingSoon { closes_at } => Self::RoomClosingSoon { closes_at },
            Event::RoomClosed { reason } => Self::RoomClosed { reason },
        }
    }
}

impl RoomEvent {
    /// Returns an event of the conversation as members see it. `posted` is the id of the message that a commit at this
    /// sequence posts, and `mentions` are the members that its text mentions.
    pub fn of_talk(event: TalkEvent, posted: MessageId, mentions: Vec<UserId>) -> Self {
        match event {
            TalkEvent::MessagePosted { author, body, reply_to, mentions_all, mentions: _ } => {
                let (message_id, body) = (posted, Some(body));
                Self::MessagePosted { message_id, author, body, erased: false, reply_to, mentions, mentions_all }
            }
            TalkEvent::MessageEdited { message_id, body, mentions_all, mentions: _ } => {
                Self::MessageEdited { message_id, body: Some(body), erased: false, mentions, mentions_all }
            }
            TalkEvent::MessageDeleted { message_id, by } => {
                Self::MessageDeleted { message_id, by_moderator: by == UserId::system() }
            }
            TalkEvent::ReactionAdded { message_id, user_id, emoji } => {
                Self::ReactionAdded { message_id, user_id, emoji }
            }
            TalkEvent::ReactionRemoved { message_id, user_id, emoji } => {
                Self::ReactionRemoved { message_id, user_id, emoji }
            }
        }
    }

    /// Returns the `data` object alone, as it is stored.
    pub fn data(&self) -> Result<Box<RawValue>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Tagged<'a> {
            #[serde(borrow)]
            data: &'a RawValue,
        }
        let tagged = serde_json::to_string(self)?;
        Ok(serde_json::from_str::<Tagged<'_>>(&tagged)?.data.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_always_an_object() {
        assert_eq!(json!(RoomEvent::DoorOpened {}.data().unwrap()), json!({}));
        let posted = RoomEvent::MessagePosted {
            message_id: MessageId::new(7),
            author: "ana".parse().unwrap(),
            body: Some("hi".to_owned()),
            erased: false,
            reply_to: None,
            mentions: vec!["ben".parse().unwrap()],
            mentions_all: false,
        };
        let expected = json!({
            "message_id": "7", "author": "ana", "body": "hi", "erased": false, "reply_to": null, "mentions": ["ben"],
            "mentions_all": false,
        });
        assert_eq!(json!(posted.data().unwrap()), expected);
    }
}
