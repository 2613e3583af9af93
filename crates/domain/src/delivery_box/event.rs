//! Events of a box, of its rooms and of their conversations.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde::{Deserialize, Serialize};

use super::event_table::events;
use crate::{
    ids::{BoxId, EventSequence, MessageId, RoomId, StoreId, UserId},
    named_events::named_events,
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
    /// A moderator or an operator closed it.
    Moderator,
    /// Its box was retired.
    BoxRetired,
}

impl RoomClosedReason {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Empty => "empty",
            Self::Expired => "expired",
            Self::Moderator => "moderator",
            Self::BoxRetired => "box_retired",
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

/// An event of a box. Stored as `{"type", "data"}`, with the room's id as the first field of `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum BoxEvent {
    /// An event of the box itself.
    Box(OwnEvent),
    /// An event of the life cycle or the membership of a room.
    Room {
        /// The room.
        room_id: RoomId,
        /// The event.
        event: RoomEvent,
    },
    /// An event of the conversation in a room.
    Talk {
        /// The room.
        room_id: RoomId,
        /// The event.
        event: TalkEvent,
    },
}

events! {
    /// An event of a box itself. Its names are stored; never rename.
    Box(OwnEvent) {
        /// A box was set up and can be used.
        BoxInstalled = "box_installed" {
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
        }
        /// Some details of a box were changed. Absent ones stay.
        BoxDetailsChanged = "box_details_changed" {
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
        }
        /// The box was taken out of service. No room can be opened until it returns. An open room stays open.
        BoxTakenOutOfService = "box_taken_out_of_service" {
            /// The reason, as the operator gave it.
            reason: Option<String>,
        }
        /// The box was returned to service. Rooms can be opened again.
        BoxReturnedToService = "box_returned_to_service" {}
        /// The box was removed permanently.
        BoxRetired = "box_retired" {}
        /// The food was put into the box.
        OrderArrived = "order_arrived" {
            /// The room that was open at that time.
            room_id: Option<RoomId>,
        }
        /// The box's door was opened.
        DoorOpened = "door_opened" {
            /// The room that was open at that time.
            room_id: Option<RoomId>,
        }
        /// An operator dropped a commit that cannot be projected. The commit counts as if it had not happened. The
        /// event has no effect on a commit that can be projected.
        EventDropped = "event_dropped" {
            /// The commit.
            sequence: EventSequence,
            /// The reason, as the operator gave it.
            reason: String,
        }
        /// A user was erased. The texts of the user's messages on this box so far, and the titles of the rooms that the
        /// user opened, read `[erased]` from now on.
        AuthorErased = "author_erased" {
            /// The erased user.
            user_id: UserId,
        }
    }

    /// An event of the life cycle or the membership of a room. Its names are stored; never rename.
    Room(RoomEvent) {
        /// A room was opened. The host is its first member.
        RoomOpened = "room_opened" {
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
        }
        /// A user joined the room.
        MemberJoined = "member_joined" {
            /// The new member.
            user_id: UserId,
        }
        /// A member left the room.
        MemberLeft = "member_left" {
            /// The former member.
            user_id: UserId,
        }
        /// The host removed a member, who cannot join the room again.
        MemberKicked = "member_kicked" {
            /// The removed member.
            user_id: UserId,
            /// The host.
            by: UserId,
        }
        /// A moderator lifted the kick of a user, who can join the room again.
        KickLifted = "kick_lifted" {
            /// The user.
            user_id: UserId,
        }
        /// The room got another host.
        HostTransferred = "host_transferred" {
            /// The former host.
            from: UserId,
            /// The new host.
            to: UserId,
            /// The reason for the change.
            change: HostChange,
        }
        /// The order moved to a later step.
        StepAdvanced = "step_advanced" {
            /// The new step.
            step: Step,
        }
        /// The room was extended.
        RoomExtended = "room_extended" {
            /// The number of the extension, from 1.
            extension: u32,
            /// The length of the extension, in hours.
            hours: u32,
            /// The new time at which the room closes by itself.
            closes_at: DateTime<Utc>,
        }
        /// The room closes by itself soon: ten minutes later, or less if the services were down.
        RoomClosingSoon = "room_closing_soon" {
            /// The time at which the room closes by itself.
            closes_at: DateTime<Utc>,
        }
        /// The room was closed. It accepts no more commands, and the next room can be opened on its box.
        RoomClosed = "room_closed" {
            /// The reason for the closing.
            reason: RoomClosedReason,
        }
    }

    /// An event of the conversation in a room. Its names are stored; never rename.
    Talk(TalkEvent) {
        /// A member posted a message. The message's id is this event's sequence.
        MessagePosted = "message_posted" {
            /// The author.
            author: UserId,
            /// The text.
            body: String,
            /// The message that it replies to.
            reply_to: Option<MessageId>,
            /// The mentioned members, at most 20. Absent in events of releases that did not store them.
            mentions: Option<Vec<UserId>>,
            /// True if the host mentioned all members.
            mentions_all: bool,
        }
        /// The author changed the text of a message.
        MessageEdited = "message_edited" {
            /// The message.
            message_id: MessageId,
            /// The new text.
            body: String,
            /// The mentioned members, at most 20. Absent in events of releases that did not store them.
            mentions: Option<Vec<UserId>>,
            /// True if the host mentioned all members.
            mentions_all: bool,
        }
        /// The author, the host or a moderator deleted a message.
        MessageDeleted = "message_deleted" {
            /// The message.
            message_id: MessageId,
            /// The user who deleted it, or `system` for a moderator, whose id is in the header `Actor` only.
            by: UserId,
        }
        /// A member reacted to a message.
        ReactionAdded = "reaction_added" {
            /// The message.
            message_id: MessageId,
            /// The member who reacted.
            user_id: UserId,
            /// The emoji.
            emoji: String,
        }
        /// A member removed a reaction.
        ReactionRemoved = "reaction_removed" {
            /// The message.
            message_id: MessageId,
            /// The member whose reaction it was.
            user_id: UserId,
            /// The removed emoji.
            emoji: String,
        }
    }
}

impl BoxEvent {
    /// The stored name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Box(event) => event.name(),
            Self::Room { event, .. } => event.name(),
            Self::Talk { event, .. } => event.name(),
        }
    }

    /// Returns the one of the box's subjects that holds the event. The events of one commit share it.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Box(_) | Self::Room { .. } => Lane::Room,
            Self::Talk { .. } => Lane::Talk,
        }
    }

    /// Returns the room in which the event happened, or none for an event of the box alone.
    pub fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::Box(event) => event.room_id(),
            Self::Room { room_id, .. } | Self::Talk { room_id, .. } => Some(room_id),
        }
    }
}

impl OwnEvent {
    fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::OrderArrived { room_id } | Self::DoorOpened { room_id } => room_id.as_ref(),
            Self::BoxInstalled { .. }
            | Self::BoxDetailsChanged { .. }
            | Self::BoxTakenOutOfService { .. }
            | Self::BoxReturnedToService {}
            | Self::BoxRetired {}
            | Self::EventDropped { .. }
            | Self::AuthorErased { .. } => None,
        }
    }
}

impl RoomEvent {
    /// Returns the affected user other than the actor: the member who comes or goes, or the new host.
    pub fn member(&self) -> Option<&UserId> {
        match self {
            Self::MemberJoined { user_id }
            | Self::MemberLeft { user_id }
            | Self::MemberKicked { user_id, .. }
            | Self::KickLifted { user_id } => Some(user_id),
            Self::HostTransferred { to, .. } => Some(to),
            Self::RoomOpened { .. }
            | Self::StepAdvanced { .. }
            | Self::RoomExtended { .. }
            | Self::RoomClosingSoon { .. }
            | Self::RoomClosed { .. } => None,
        }
    }
}

impl TalkEvent {
    /// Returns the message that the event changes. None for a posted one, whose id is the sequence of its commit.
    pub fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::MessagePosted { .. } => None,
            Self::MessageEdited { message_id, .. }
            | Self::MessageDeleted { message_id, .. }
            | Self::ReactionAdded { message_id, .. }
            | Self::ReactionRemoved { message_id, .. } => Some(*message_id),
        }
    }
}

impl DomainEvent for BoxEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        match self {
            Self::Talk { event: TalkEvent::MessagePosted { .. } | TalkEvent::MessageEdited { .. }, .. } => "2",
            Self::Box(_) | Self::Room { .. } | Self::Talk { .. } => "1",
        }
        .to_owned()
    }
}
