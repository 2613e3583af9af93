//! What can happen to a box, to its rooms and in their conversations.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{BoxId, EventSequence, MessageId, RoomId, StoreId, UserId},
    values::{BoxKind, Step},
};

/// Why a room was closed.
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

/// Why a room has another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostChange {
    /// The host handed it over.
    Transferred,
    /// The host left, and the longest-standing member follows.
    Succession,
}

/// Which of a box's two subjects an event stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Decided under optimistic concurrency: the box, its rooms' life cycle, membership.
    Room,
    /// Guarded by the room lane's version, free of contention: messages and reactions.
    Talk,
}

/// An event of a box. The serde names of variants and fields are stored; never rename.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum BoxEvent {
    /// A box stands somewhere and can be used.
    BoxInstalled {
        /// The box.
        box_id: BoxId,
        /// Who may use it.
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
    /// Some of a box's details are different now; absent ones stay.
    BoxDetailsChanged {
        /// Who may use it.
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
    /// No new room until it returns; an open one goes on.
    BoxTakenOutOfService {
        /// Why.
        reason: Option<String>,
    },
    /// Rooms can be opened again.
    BoxReturnedToService {},
    /// The box is gone for good.
    BoxRetired {},
    /// People can order together; the host is its first member.
    RoomOpened {
        /// The room.
        room_id: RoomId,
        /// Where they order.
        store_id: StoreId,
        /// What the room is called.
        title: String,
        /// Who opened it.
        host: UserId,
        /// How many may be inside.
        max_members: u32,
        /// argon2id, in PHC form; absent for an unlocked room.
        password_hash: Option<String>,
        /// When it was opened.
        opened_at: DateTime<Utc>,
        /// When it closes by itself.
        closes_at: DateTime<Utc>,
    },
    /// Somebody came in.
    MemberJoined {
        /// The room.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
    },
    /// Somebody went.
    MemberLeft {
        /// The room.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
    },
    /// The host put somebody out, for good.
    MemberKicked {
        /// The room.
        room_id: RoomId,
        /// Who had to go.
        user_id: UserId,
        /// The host.
        by: UserId,
    },
    /// The room has another host.
    HostTransferred {
        /// The room.
        room_id: RoomId,
        /// The former host.
        from: UserId,
        /// The new host.
        to: UserId,
        /// Why.
        change: HostChange,
    },
    /// The order is a step further.
    StepAdvanced {
        /// The room.
        room_id: RoomId,
        /// Where it stands now.
        step: Step,
    },
    /// The room stays open for longer.
    RoomExtended {
        /// The room.
        room_id: RoomId,
        /// Which of its extensions, from 1.
        extension: u32,
        /// By how many hours.
        hours: u32,
        /// When it closes now.
        closes_at: DateTime<Utc>,
    },
    /// The room accepts nothing any more, and its box is free.
    RoomClosed {
        /// The room.
        room_id: RoomId,
        /// Why.
        reason: RoomClosedReason,
    },
    /// The food was put into the box.
    OrderArrived {
        /// The room that was open then.
        room_id: Option<RoomId>,
    },
    /// The box's door was opened.
    DoorOpened {
        /// The room that was open then.
        room_id: Option<RoomId>,
    },
    /// An operator has given up on a commit that cannot be projected: it counts as if it had not happened. A commit that
    /// can be projected is not touched by this.
    EventDropped {
        /// The commit.
        sequence: EventSequence,
        /// Why.
        reason: String,
    },
    /// Somebody who is gone for good takes along what they wrote: the texts of their messages on this box so far, and the
    /// titles of the rooms that they opened, read `[erased]` from now on.
    AuthorErased {
        /// Who.
        user_id: UserId,
    },
    /// A member said something; the message's id is this event's sequence.
    MessagePosted {
        /// The room.
        room_id: RoomId,
        /// Who said it.
        author: UserId,
        /// What.
        body: String,
        /// The message that it answers.
        reply_to: Option<MessageId>,
    },
    /// The author corrected a message.
    MessageEdited {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// What it says now.
        body: String,
    },
    /// The author or the host took a message away.
    MessageDeleted {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// Who took it away.
        by: UserId,
    },
    /// A member reacted to a message.
    ReactionAdded {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// Who reacted.
        user_id: UserId,
        /// With what.
        emoji: String,
    },
    /// A member took a reaction back.
    ReactionRemoved {
        /// The room.
        room_id: RoomId,
        /// The message.
        message_id: MessageId,
        /// Whose reaction.
        user_id: UserId,
        /// Which.
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

    /// Which of the box's subjects it stands on; the events of one commit share it.
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

    /// The room in which it happened; none for what concerns the box alone.
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
