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
    /// The host or a co-host removed a member, who cannot join again.
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
    /// The host changed the room. Fields that are absent stay.
    RoomChanged {
        /// The store to order from.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::store_id)]
        store_id: Option<StoreId>,
        /// The title of the room.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        title: Option<String>,
        /// True if the user who gave the title was erased, and the title with them.
        title_erased: bool,
        /// The maximum number of members.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, minimum = 2, maximum = 100)]
        max_members: Option<u32>,
        /// True if joining needs a new password, false if it needs none any more.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        locked: Option<bool>,
    },
    /// The host made a member a co-host.
    CoHostAppointed {
        /// The member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// The host took the role of a co-host back.
    CoHostDismissed {
        /// The member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// The host or a co-host muted a member, who cannot post, edit or react until then.
    MemberMuted {
        /// The member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// The time at which it ends.
        until: DateTime<Utc>,
    },
    /// The host or a co-host ended the muting of a user.
    MemberUnmuted {
        /// The user.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// The host set the least time between two messages of a member.
    SlowModeSet {
        /// The time in seconds; 0 if there is no limit.
        #[schema(minimum = 0, maximum = 21600)]
        seconds: u32,
    },
    /// The host or a co-host pinned a message.
    MessagePinned {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// The message that is not pinned any more, because there would be too many.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(schema_with = schemas::message_id)]
        replaced: Option<MessageId>,
    },
    /// A message is not pinned any more.
    MessageUnpinned {
        /// The id of the message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
    },
    /// The host or a co-host made an invitation, with which users join without the password.
    RoomInvitationCreated {
        /// The number of the invitation in the room.
        #[schema(minimum = 1)]
        invitation: u32,
        /// The number of users who can join with it.
        #[schema(minimum = 1, maximum = 100)]
        max_uses: u32,
        /// The time at which it ends.
        expires_at: DateTime<Utc>,
    },
    /// The host or a co-host revoked an invitation.
    RoomInvitationRevoked {
        /// The number of the invitation in the room.
        #[schema(minimum = 1)]
        invitation: u32,
    },
    /// A user joins with an invitation; `member_joined` follows.
    RoomInvitationUsed {
        /// The number of the invitation in the room.
        #[schema(minimum = 1)]
        invitation: u32,
        /// The new member.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
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

/// Copies field by field, because events hold secrets (hashes of passwords and of tokens). The acting user is in the
/// envelope.
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
            Event::RoomChanged { store_id, title, max_members, password_hash, password_removed } => {
                let locked = (password_hash.is_some() || password_removed).then_some(!password_removed);
                Self::RoomChanged { store_id, title, title_erased: false, max_members, locked }
            }
            Event::CoHostAppointed { user_id } => Self::CoHostAppointed { user_id },
            Event::CoHostDismissed { user_id } => Self::CoHostDismissed { user_id },
            Event::MemberMuted { user_id, muted_at: _, until } => Self::MemberMuted { user_id, until },
            Event::MemberUnmuted { user_id } => Self::MemberUnmuted { user_id },
            Event::SlowModeSet { seconds } => Self::SlowModeSet { seconds },
            Event::MessagePinned { message_id, replaced } => Self::MessagePinned { message_id, replaced },
            Event::MessageUnpinned { message_id } => Self::MessageUnpinned { message_id },
            Event::InvitationCreated { invitation, max_uses, expires_at, token_hash: _, created_at: _ } => {
                Self::RoomInvitationCreated { invitation, max_uses, expires_at }
            }
            Event::InvitationRevoked { invitation } => Self::RoomInvitationRevoked { invitation },
            Event::InvitationUsed { invitation, user_id } => Self::RoomInvitationUsed { invitation, user_id },
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
