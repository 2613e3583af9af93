//! What happens in a room as its members see it: the `type` and the `data` of the rows of `room_events`.

use chrono::{DateTime, Utc};
use domain::{MessageId, RoomClosedReason, StoreId, UserId, delivery_box::HostChange, values::Step};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::schemas;

/// What happened in a room, by `type`. Stored and public; never rename.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum RoomEvent {
    /// People can order together; the host is the first member.
    RoomOpened {
        /// Where they order.
        #[schema(schema_with = schemas::store_id)]
        store_id: StoreId,
        /// What the room is called.
        title: String,
        /// Who opened it.
        #[schema(schema_with = schemas::user_id)]
        host: UserId,
        /// How many may be inside.
        #[schema(minimum = 2, maximum = 100)]
        max_members: u32,
        /// Whether a password is needed to join.
        locked: bool,
        /// When it was opened.
        opened_at: DateTime<Utc>,
        /// When it closes by itself.
        closes_at: DateTime<Utc>,
    },
    /// Somebody came in.
    MemberJoined {
        /// Who.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// Somebody went.
    MemberLeft {
        /// Who.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
    },
    /// The host put somebody out, for good.
    MemberKicked {
        /// Who had to go.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// The host.
        #[schema(schema_with = schemas::user_id)]
        by: UserId,
    },
    /// The room has another host.
    HostTransferred {
        /// The former host.
        #[schema(schema_with = schemas::user_id)]
        from: UserId,
        /// The new host.
        #[schema(schema_with = schemas::user_id)]
        to: UserId,
        /// Why: handed over, or the former host has left.
        #[schema(schema_with = schemas::host_change)]
        change: HostChange,
    },
    /// The order is a step further.
    StepAdvanced {
        /// Where it stands now.
        #[schema(schema_with = schemas::step)]
        step: Step,
    },
    /// The room stays open for longer.
    RoomExtended {
        /// Which of its extensions.
        #[schema(minimum = 1)]
        extension: u32,
        /// By how many hours.
        #[schema(minimum = 1)]
        hours: u32,
        /// When it closes now.
        closes_at: DateTime<Utc>,
    },
    /// The room accepts nothing any more.
    RoomClosed {
        /// Why: the host closed it, everybody has left, or its time was up.
        #[schema(schema_with = schemas::closed_reason)]
        reason: RoomClosedReason,
    },
    /// The food was put into the box.
    OrderArrived {},
    /// The box's door was opened.
    DoorOpened {},
    /// A member said something.
    MessagePosted {
        /// The message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// Who said it.
        #[schema(schema_with = schemas::user_id)]
        author: UserId,
        /// What; null when it was deleted since.
        #[schema(required, max_length = 4000)]
        body: Option<String>,
        /// The message that it answers.
        #[schema(required, schema_with = schemas::message_id_or_null)]
        reply_to: Option<MessageId>,
    },
    /// The author corrected a message.
    MessageEdited {
        /// The message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// What it says now; null when it was deleted since.
        #[schema(required, max_length = 4000)]
        body: Option<String>,
    },
    /// The author or the host took a message away.
    MessageDeleted {
        /// The message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// Who took it away.
        #[schema(schema_with = schemas::user_id)]
        by: UserId,
    },
    /// A member reacted to a message.
    ReactionAdded {
        /// The message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// Who reacted.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// With what.
        emoji: String,
    },
    /// A member took a reaction back.
    ReactionRemoved {
        /// The message.
        #[schema(schema_with = schemas::message_id)]
        message_id: MessageId,
        /// Whose reaction.
        #[schema(schema_with = schemas::user_id)]
        user_id: UserId,
        /// Which.
        emoji: String,
    },
}

impl RoomEvent {
    /// The details alone, as they are stored.
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
    fn details_are_an_object_even_if_there_are_none() {
        assert_eq!(json!(RoomEvent::DoorOpened {}.data().unwrap()), json!({}));
        let posted = RoomEvent::MessagePosted {
            message_id: MessageId::new(7),
            author: "ana".parse().unwrap(),
            body: Some("hi".to_owned()),
            reply_to: None,
        };
        let expected = json!({ "message_id": "7", "author": "ana", "body": "hi", "reply_to": null });
        assert_eq!(json!(posted.data().unwrap()), expected);
    }
}
