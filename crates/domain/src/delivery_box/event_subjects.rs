//! The subjects of events: the room, the user or the message that an event is about.

use super::event::{OwnEvent, RoomEvent, TalkEvent};
use crate::ids::{MessageId, RoomId, UserId};

impl OwnEvent {
    pub(super) fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::OrderArrived { room_id } | Self::DoorOpened { room_id } => room_id.as_ref(),
            Self::BoxInstalled { .. }
            | Self::BoxDetailsChanged { .. }
            | Self::BoxTakenOutOfService { .. }
            | Self::BoxReturnedToService {}
            | Self::BoxRetired {}
            | Self::EventDropped { .. }
            | Self::UserAllowed { .. }
            | Self::UserDisallowed { .. }
            | Self::AuthorErased { .. } => None,
        }
    }
}

impl RoomEvent {
    /// Returns the affected user other than the actor: the member who comes or goes, who gets or loses a role, or who
    /// is muted.
    pub fn member(&self) -> Option<&UserId> {
        match self {
            Self::MemberJoined { user_id }
            | Self::MemberLeft { user_id }
            | Self::MemberKicked { user_id, .. }
            | Self::KickLifted { user_id }
            | Self::CoHostAppointed { user_id }
            | Self::CoHostDismissed { user_id }
            | Self::MemberMuted { user_id, .. }
            | Self::MemberUnmuted { user_id }
            | Self::InvitationUsed { user_id, .. } => Some(user_id),
            Self::HostTransferred { to, .. } => Some(to),
            Self::RoomOpened { .. }
            | Self::RoomChanged { .. }
            | Self::SlowModeSet { .. }
            | Self::MessagePinned { .. }
            | Self::MessageUnpinned { .. }
            | Self::InvitationCreated { .. }
            | Self::InvitationRevoked { .. }
            | Self::StepAdvanced { .. }
            | Self::RoomExtended { .. }
            | Self::RoomClosingSoon { .. }
            | Self::RoomClosed { .. } => None,
        }
    }

    /// Returns the message that the event is about.
    pub fn message_id(&self) -> Option<MessageId> {
        match self {
            Self::MessagePinned { message_id, .. } | Self::MessageUnpinned { message_id } => Some(*message_id),
            Self::RoomOpened { .. }
            | Self::MemberJoined { .. }
            | Self::MemberLeft { .. }
            | Self::MemberKicked { .. }
            | Self::KickLifted { .. }
            | Self::HostTransferred { .. }
            | Self::RoomChanged { .. }
            | Self::CoHostAppointed { .. }
            | Self::CoHostDismissed { .. }
            | Self::MemberMuted { .. }
            | Self::MemberUnmuted { .. }
            | Self::SlowModeSet { .. }
            | Self::InvitationCreated { .. }
            | Self::InvitationRevoked { .. }
            | Self::InvitationUsed { .. }
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
