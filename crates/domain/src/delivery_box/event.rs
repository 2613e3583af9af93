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
    /// The host left, and the longest-standing co-host became the host, or the longest-standing member without one.
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
        /// An operator allowed a user to use the box while it is private.
        UserAllowed = "user_allowed" {
            /// The user.
            user_id: UserId,
        }
        /// An operator withdrew the permission of a user to use the box while it is private.
        UserDisallowed = "user_disallowed" {
            /// The user.
            user_id: UserId,
        }
        /// A user was erased. The texts of the user's messages on this box so far, and the titles that the user gave to
        /// rooms, read `[erased]` from now on. The user is not allowed to use the box any more.
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
        /// The host or a co-host removed a member, who cannot join the room again.
        MemberKicked = "member_kicked" {
            /// The removed member.
            user_id: UserId,
            /// The host or the co-host.
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
        /// The host changed the store, the title, the maximum number of members or the password. Absent ones stay.
        RoomChanged = "room_changed" {
            /// The store to order from.
            store_id: Option<StoreId>,
            /// The title of the room.
            title: Option<String>,
            /// The maximum number of members.
            max_members: Option<u32>,
            /// The hash of the new password (argon2id, PHC form).
            password_hash: Option<String>,
            /// True if the room is unlocked from now on.
            password_removed: bool,
        }
        /// The host made a member a co-host.
        CoHostAppointed = "co_host_appointed" {
            /// The member.
            user_id: UserId,
        }
        /// The host took the role of a co-host back.
        CoHostDismissed = "co_host_dismissed" {
            /// The member.
            user_id: UserId,
        }
        /// The host or a co-host muted a member, who cannot post, edit or react until a time.
        MemberMuted = "member_muted" {
            /// The member.
            user_id: UserId,
            /// The time of the muting.
            muted_at: DateTime<Utc>,
            /// The time at which it ends.
            until: DateTime<Utc>,
        }
        /// The host or a co-host ended the muting of a user before its time.
        MemberUnmuted = "member_unmuted" {
            /// The user.
            user_id: UserId,
        }
        /// The host set the least time between two messages of a member.
        SlowModeSet = "slow_mode_set" {
            /// The time in seconds; 0 if there is no limit.
            seconds: u32,
        }
        /// The host or a co-host pinned a message. Has no effect on a message that was deleted at the same time.
        MessagePinned = "message_pinned" {
            /// The message.
            message_id: MessageId,
            /// The oldest pinned message, if it is not pinned any more because there would be too many.
            replaced: Option<MessageId>,
        }
        /// A message is not pinned any more.
        MessageUnpinned = "message_unpinned" {
            /// The message.
            message_id: MessageId,
        }
        /// The host or a co-host made an invitation, with which users join without the password.
        InvitationCreated = "room_invitation_created" {
            /// The number of the invitation in the room, from 1.
            invitation: u32,
            /// The hash of its token (SHA-256, in hexadecimal digits).
            token_hash: String,
            /// The number of users who can join with it.
            max_uses: u32,
            /// The time of its creation.
            created_at: DateTime<Utc>,
            /// The time at which it ends.
            expires_at: DateTime<Utc>,
        }
        /// The host or a co-host revoked an invitation.
        InvitationRevoked = "room_invitation_revoked" {
            /// The number of the invitation.
            invitation: u32,
        }
        /// A user joined with an invitation. Stored with the joining.
        InvitationUsed = "room_invitation_used" {
            /// The number of the invitation.
            invitation: u32,
            /// The new member.
            user_id: UserId,
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
        /// The author, the host, a co-host or a moderator deleted a message.
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
