//! Events of a box, of its rooms and of their conversations.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{BoxId, EventSequence, MessageId, RoomId, StoreId, UserId},
    values::{BoxKind, Step},
};

/// The reason for which a room was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomClosedReason {
    /// The host closed it.
    Host,
    /// The last member left.
    Empty,
    /// Its deadline passed.
    Expired,
}

impl RoomClosedReason {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Empty => "empty",
            Self::Expired => "expired",
        }
    }
}

/// The reason for which a room has another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostChange {
    /// The host transferred the role.
    Transferred,
    /// The host left, and the longest-standing member became the host.
    Succession,
}

/// The one of a box's two subjects that holds an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Events decided under optimistic concurrency: the box, its rooms' state, membership.
    Room,
    /// Events guarded by the room lane's version and free of contention: messages and reactions.
    Talk,
}

/// An event of a box. The serde names of variants and fields are stored; never rename.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum BoxEvent {
    /// A box was set up and can be used.
    BoxInstalled {
        /// The box.
        box_id: BoxId,
        /// The group of users that may use it.
        kind: BoxKind,
        /// Postal code.
        zip_code: String,
        /// Street address.
        address: String,
        /// Floor, door, corner.
        detailed_address: String,
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// Some details of a box were changed. Absent ones stay.
    BoxDetailsChanged {
        /// The group of users that may use it.
        kind: Option<BoxKind>,
        /// Postal code.
        zip_code: Option<String>,
        /// Street address.
        address: Option<String>,
        /// Floor, door, corner.
        detailed_address: Option<String>,
        /// Degrees north and east, changed together.
        coordinates: Option<(f64, f64)>,
    },
    /// The box was taken out of service. No room can be opened until it returns. An open room stays open.
    BoxTakenOutOfService {
        /// The reason, as the operator gave it.
        reason: Option<String>,
    },
    /// The box was returned to service. Rooms can be opened again.
    BoxReturnedToService {},
    /// The box was removed permanently.
    BoxRetired {},
    /// A room was opened. The host is its first member.
    RoomOpened {
        /// The room.
        room_id: RoomId,
        /// The store to order from.
        store_id: StoreId,
        /// The title of the room.
        title: String,
        /// The user who opened it.
        host: UserId,
        /// The maximum number of members.
        max_members: u32,
        /// The password hash (argon2id, PHC form). Absent for an unlocked room.
        password_hash: Option<String>,
        /// The time of the opening.
        opened_at: DateTime<Utc>,
        /// The time at which the room closes by itself.
        closes_at: DateTime<Utc>,
    },
    /// A user joined the room.
    MemberJoined {
        /// The room.
        room_id: RoomId,
        /// The new member.
        user_id: UserId,
    },
    /// A member left the room.
    MemberLeft {
        /// The room.
        room_id: RoomId,
        /// The former member.
        user_id: UserId,
    },
    /// The host removed a member, who cannot join the room again.
    MemberKicked {
        /// The room.
        room_id: RoomId,
        /// The removed member.
        user_id: UserId,
        /// The host.
        by: UserId,
    },
    /// The room got another host.
    HostTransferred {
        /// The room.
        room_id: RoomId,
        /// The former host.
        from: UserId,
        /// The new host.
        to: UserId,
        /// The reason for the change.
        change: HostChange,
    },
    /// The order moved to a later step.
    StepAdvanced {
        /// The room.
        room_id: RoomId,
        /// The new step.
        step: Step,
    },
    /// The room was extended.
    RoomExtended {
        /// The room.
        room_id: RoomId,
        /// The number of the extension, from 1.
        extension: u32,
        /// The length of the extension, in hours.
        hours: u32,
        /// The new time at which the room closes by itself.
        closes_at: DateTime<Utc>,
    },
    /// The room was closed. It accepts no more commands, and the next room can be opened on its box.
    RoomClosed {
        /// The room.
        room_id: RoomId,
        /// The reason for the closing.
        reason: RoomClosedReason,
    },
    /// The food was put into the box.
    OrderArrived {
        /// The room that was open at that time.
        room_id: Option<RoomId>,
    },
    /// The box's door was opened.
    DoorOpened {
        /// The room that was open at that time.
        room_id: Option<RoomId>,
    },
    /// An operator dropped a commit that cannot be projected. The commit counts as if it had not happened. The event
    /// has no effect on a commit that can be projected.
    EventDropped {
        /// The commit.
        sequence: EventSequence,
        /// The reason, as the operator gave it.
        reason: String,
    },
    /// A user was erased. The texts of the user's messages on this box so far, and the titles of the rooms that the
    /// user opened, read `[erased]` from now on.
    AuthorErased {
        /// The erased user.
        user_id: UserId,
    },
    /// A member posted a message. The message's id is this event's sequence.
    MessagePosted {
        /// The room.
        room_id: RoomId,
        /// The author.
        author: UserId,
        /// The text.
        body: String,
        /// The message that it replies to.
        reply_to: Option<MessageId>,
    },
    /// The author changed the text of a message.
    MessageEdited {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// The new text.
        body: String,
    },
    /// The author or the host deleted a message.
    MessageDeleted {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// The user who deleted it.
        by: UserId,
    },
    /// A member reacted to a message.
    ReactionAdded {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// The member who reacted.
        user_id: UserId,
        /// The emoji.
        emoji: String,
    },
    /// A member removed a reaction.
    ReactionRemoved {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// The member whose reaction it was.
        user_id: UserId,
        /// The removed emoji.
        emoji: String,
    },
}

impl BoxEvent {
    /// Every stored name; never rename.
    pub const TYPES: [&'static str; 22] = [
        "box_installed",
        "box_details_changed",
        "box_taken_out_of_service",
        "box_returned_to_service",
        "box_retired",
        "room_opened",
        "member_joined",
        "member_left",
        "member_kicked",
        "host_transferred",
        "step_advanced",
        "room_extended",
        "room_closed",
        "order_arrived",
        "door_opened",
        "event_dropped",
        "author_erased",
        "message_posted",
        "message_edited",
        "message_deleted",
        "reaction_added",
        "reaction_removed",
    ];

    /// The stored name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BoxInstalled { .. } => "box_installed",
            Self::BoxDetailsChanged { .. } => "box_details_changed",
            Self::BoxTakenOutOfService { .. } => "box_taken_out_of_service",
            Self::BoxReturnedToService {} => "box_returned_to_service",
            Self::BoxRetired {} => "box_retired",
            Self::RoomOpened { .. } => "room_opened",
            Self::MemberJoined { .. } => "member_joined",
            Self::MemberLeft { .. } => "member_left",
            Self::MemberKicked { .. } => "member_kicked",
            Self::HostTransferred { .. } => "host_transferred",
            Self::StepAdvanced { .. } => "step_advanced",
            Self::RoomExtended { .. } => "room_extended",
            Self::RoomClosed { .. } => "room_closed",
            Self::OrderArrived { .. } => "order_arrived",
            Self::DoorOpened { .. } => "door_opened",
            Self::EventDropped { .. } => "event_dropped",
            Self::AuthorErased { .. } => "author_erased",
            Self::MessagePosted { .. } => "message_posted",
            Self::MessageEdited { .. } => "message_edited",
            Self::MessageDeleted { .. } => "message_deleted",
            Self::ReactionAdded { .. } => "reaction_added",
            Self::ReactionRemoved { .. } => "reaction_removed",
        }
    }

    /// Returns the one of the box's subjects that holds the event. The events of one commit share it.
    pub fn lane(&self) -> Lane {
        match self {
            Self::MessagePosted { .. }
            | Self::MessageEdited { .. }
            | Self::MessageDeleted { .. }
            | Self::ReactionAdded { .. }
            | Self::ReactionRemoved { .. } => Lane::Talk,
            Self::BoxInstalled { .. }
            | Self::BoxDetailsChanged { .. }
            | Self::BoxTakenOutOfService { .. }
            | Self::BoxReturnedToService {}
            | Self::BoxRetired {}
            | Self::RoomOpened { .. }
            | Self::MemberJoined { .. }
            | Self::MemberLeft { .. }
            | Self::MemberKicked { .. }
            | Self::HostTransferred { .. }
            | Self::StepAdvanced { .. }
            | Self::RoomExtended { .. }
            | Self::RoomClosed { .. }
            | Self::OrderArrived { .. }
            | Self::DoorOpened { .. }
            | Self::EventDropped { .. }
            | Self::AuthorErased { .. } => Lane::Room,
        }
    }

    /// Returns the room in which the event happened, or none for an event of the box alone.
    pub fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::BoxInstalled { .. }
            | Self::BoxDetailsChanged { .. }
            | Self::BoxTakenOutOfService { .. }
            | Self::BoxReturnedToService {}
            | Self::BoxRetired {}
            | Self::EventDropped { .. }
            | Self::AuthorErased { .. } => None,
            Self::OrderArrived { room_id } | Self::DoorOpened { room_id } => room_id.as_ref(),
            Self::RoomOpened { room_id, .. }
            | Self::MemberJoined { room_id, .. }
            | Self::MemberLeft { room_id, .. }
            | Self::MemberKicked { room_id, .. }
            | Self::HostTransferred { room_id, .. }
            | Self::StepAdvanced { room_id, .. }
            | Self::RoomExtended { room_id, .. }
            | Self::RoomClosed { room_id, .. }
            | Self::MessagePosted { room_id, .. }
            | Self::MessageEdited { room_id, .. }
            | Self::MessageDeleted { room_id, .. }
            | Self::ReactionAdded { room_id, .. }
            | Self::ReactionRemoved { room_id, .. } => Some(room_id),
        }
    }
}

impl DomainEvent for BoxEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}
