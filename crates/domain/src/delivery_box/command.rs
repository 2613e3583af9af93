//! Commands to a box. Each carries all that its decision needs: the acting user, the time, and values looked up before.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    invitation::InvitationLimits,
    looked_up::{MessageLookUp, OriginalMessage, PasswordProof},
    room::RoomChange,
};
use crate::{
    ids::{BoxId, EventSequence, MessageId, RoomId, StoreId, UserId},
    values::{
        Address, BoxKind, Coordinates, Emoji, ExtensionHours, MaxMembers, MessageBody, MuteMinutes, Reason,
        SlowModeSeconds, Step, Title, ZipCode,
    },
};

/// A command to a box. `at` is the time of receipt. The acting user has been authenticated.
#[derive(Debug, Clone, PartialEq)]
pub enum BoxCommand {
    /// A command to the box itself.
    Box(OwnCommand),
    /// A command about the life cycle or the membership of a room.
    Room {
        /// The room.
        room_id: RoomId,
        /// The command.
        command: RoomCommand,
    },
    /// A command about the conversation in a room.
    Talk {
        /// The room.
        room_id: RoomId,
        /// The command.
        command: TalkCommand,
    },
}

/// A command to a box itself.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnCommand {
    /// Sets up a box.
    InstallBox {
        /// The id of the box.
        box_id: BoxId,
        /// The group of users that may use it.
        kind: BoxKind,
        /// Postal code.
        zip_code: ZipCode,
        /// Street address.
        address: Address,
        /// Floor, door, corner.
        detailed_address: Address,
        /// The location of the box.
        coordinates: Coordinates,
    },
    /// Changes the given details and keeps the others.
    ChangeBoxDetails {
        /// The group of users that may use it.
        kind: Option<BoxKind>,
        /// Postal code.
        zip_code: Option<ZipCode>,
        /// Street address.
        address: Option<Address>,
        /// Floor, door, corner.
        detailed_address: Option<Address>,
        /// The location of the box.
        coordinates: Option<Coordinates>,
    },
    /// Takes the box out of service: no new room can be opened.
    TakeOutOfService {
        /// The reason, as the operator gave it.
        reason: Option<Reason>,
    },
    /// Returns the box to service: rooms can be opened again.
    ReturnToService,
    /// Removes the box permanently.
    RetireBox {
        /// True if an open room is closed. Otherwise, no room may be open.
        closes_room: bool,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Records the box's report that the food was put in.
    RecordArrival {
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Records the box's report that its door was opened.
    RecordDoorOpening {
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Drops a commit of the box that cannot be projected.
    DropEvent {
        /// The commit, if the box has one at the given sequence.
        commit: Option<EventSequence>,
        /// The reason, as the operator gave it.
        reason: Reason,
    },
    /// Allows a user to use the box while it is private.
    AllowUser {
        /// The user.
        user_id: UserId,
    },
    /// Withdraws the permission to use the box while it is private.
    DisallowUser {
        /// The user.
        user_id: UserId,
    },
    /// Removes an erased user from the open room, and the user's texts from all rooms of the box.
    EraseAuthor {
        /// The erased user.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Removes a suspended user from the open room. Has no effect if the user is not in it.
    RemoveSuspended {
        /// The suspended user.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Opens the box's next room.
    OpenRoom {
        /// The user who opens it and becomes its host.
        host: UserId,
        /// The store to order from.
        store_id: StoreId,
        /// True if the store takes orders.
        store_open: bool,
        /// The title of the room.
        title: Title,
        /// The maximum number of members.
        max_members: MaxMembers,
        /// The hash (argon2id, PHC form) that locks the room.
        password_hash: Option<String>,
        /// The time until the room closes by itself, [`ROOM_LIFETIME`](super::ROOM_LIFETIME) by default.
        lifetime: TimeDelta,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
}

/// A command about the life cycle or the membership of a room.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomCommand {
    /// Joins a room.
    JoinRoom {
        /// The joining user.
        user_id: UserId,
        /// The result of the password check. Has no effect with an invitation.
        password: PasswordProof,
        /// The hash of the token of an invitation.
        invitation: Option<String>,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Leaves a room.
    LeaveRoom {
        /// The leaving member.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Changes the room before the order was placed.
    ChangeRoom {
        /// The host.
        by: UserId,
        /// The change.
        change: RoomChange,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Makes a member a co-host.
    AppointCoHost {
        /// The host.
        by: UserId,
        /// The member.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Takes the role of a co-host back.
    DismissCoHost {
        /// The host.
        by: UserId,
        /// The member.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Mutes a member for some time.
    MuteMember {
        /// The host or a co-host.
        by: UserId,
        /// The member.
        user_id: UserId,
        /// The time for which the member is muted.
        minutes: MuteMinutes,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Ends the muting of a user.
    UnmuteMember {
        /// The host or a co-host.
        by: UserId,
        /// The user.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Sets the least time between two messages of a member.
    SetSlowMode {
        /// The host.
        by: UserId,
        /// The time.
        seconds: SlowModeSeconds,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Pins a message.
    PinMessage {
        /// The host or a co-host.
        by: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Unpins a message.
    UnpinMessage {
        /// The host or a co-host.
        by: UserId,
        /// The message.
        message_id: MessageId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Unpins a message that was deleted. Its deletion is on the talk lane and cannot change the pins itself.
    UnpinDeleted {
        /// The message.
        message_id: MessageId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Makes an invitation, with which users join without the password.
    CreateInvitation {
        /// The host or a co-host.
        by: UserId,
        /// The hash of its token.
        token_hash: String,
        /// Its limits.
        limits: InvitationLimits,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Revokes an invitation.
    RevokeInvitation {
        /// The host or a co-host.
        by: UserId,
        /// The number of the invitation.
        invitation: u32,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Removes a member, who cannot join the room again.
    KickMember {
        /// The host or a co-host.
        by: UserId,
        /// The member to remove.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Lets a kicked user join the room again, as a moderator.
    LiftKick {
        /// The kicked user.
        user_id: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Makes another member the host.
    TransferHost {
        /// The host.
        by: UserId,
        /// The new host.
        to: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Moves the order to a later step.
    AdvanceStep {
        /// The host.
        by: UserId,
        /// The new step.
        step: Step,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Extends the time that the room is open.
    ExtendRoom {
        /// The host or a co-host.
        by: UserId,
        /// The length of the extension.
        hours: ExtensionHours,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Closes the room.
    CloseRoom {
        /// The host.
        by: UserId,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Closes the room as a moderator.
    CloseByModerator {
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Warns the members that the room closes soon, because the deadline of the warning fired. Has no effect if the
    /// room closes at another time by now, or needs no warning.
    WarnOfClosing {
        /// The time at which the room closes by itself.
        closes_at: DateTime<Utc>,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Closes the room because this deadline fired. Has no effect if the room has another deadline by now.
    ExpireRoom {
        /// The deadline that fired.
        closes_at: DateTime<Utc>,
    },
}

impl RoomCommand {
    /// Returns the command as one to this room.
    pub fn in_room(self, room_id: RoomId) -> BoxCommand {
        BoxCommand::Room { room_id, command: self }
    }
}

/// A command about the conversation in a room. Its events belong to the talk lane.
#[derive(Debug, Clone, PartialEq)]
pub enum TalkCommand {
    /// Posts a message.
    PostMessage {
        /// The posting member.
        author: UserId,
        /// The text.
        body: MessageBody,
        /// The message that it replies to: `Some(None)` if there is none with the given id.
        reply_to: Option<Option<OriginalMessage>>,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Changes the text of the author's own message.
    EditMessage {
        /// The editing member.
        by: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// The new text.
        body: MessageBody,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Deletes a message.
    DeleteMessage {
        /// The author of the message, the host or a co-host.
        by: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Deletes a message as a moderator, in an open or a closed room.
    RemoveMessage {
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
    },
    /// Reacts to a message.
    AddReaction {
        /// The reacting member.
        user_id: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// The emoji to add.
        emoji: Emoji,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Removes the member's own reaction from a message.
    RemoveReaction {
        /// The member whose reaction it is.
        user_id: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// The emoji to remove.
        emoji: Emoji,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
}

impl TalkCommand {
    /// Returns the command as one to this room.
    pub fn in_room(self, room_id: RoomId) -> BoxCommand {
        BoxCommand::Talk { room_id, command: self }
    }

    /// Returns the acting user, who must be a member. None for a moderator.
    pub fn member(&self) -> Option<&UserId> {
        match self {
            Self::PostMessage { author: user_id, .. }
            | Self::EditMessage { by: user_id, .. }
            | Self::DeleteMessage { by: user_id, .. }
            | Self::AddReaction { user_id, .. }
            | Self::RemoveReaction { user_id, .. } => Some(user_id),
            Self::RemoveMessage { .. } => None,
        }
    }

    /// Returns the message whose state the decision needs.
    pub fn look_up(&mut self) -> Option<MessageLookUp<'_>> {
        let with_text = matches!(self, Self::EditMessage { .. });
        let message = match self {
            Self::PostMessage { reply_to, .. } => reply_to.as_mut()?,
            Self::EditMessage { original, .. }
            | Self::DeleteMessage { original, .. }
            | Self::RemoveMessage { original }
            | Self::AddReaction { original, .. }
            | Self::RemoveReaction { original, .. } => original,
        };
        Some(MessageLookUp { message: message.as_mut()?, with_text })
    }
}
