//! What can be asked of a box, with everything that the decision needs: who, when, and what was looked up before.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::{BoxId, EventSequence, MessageId, RoomId, StoreId, UserId},
    values::{
        Address, BoxKind, Coordinates, Emoji, ExtensionHours, MaxMembers, MessageBody, Reason, Step, Title, ZipCode,
    },
};

/// What the edge found out about the password that somebody gave, away from the rules (hashing is slow).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordProof {
    /// No password was given.
    Missing,
    /// A password was given that does not fit this hash.
    Wrong,
    /// The password fits this hash (PHC form).
    Fits(String),
}

/// The event in which a message was posted, as read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalMessage {
    /// Its id.
    pub message_id: MessageId,
    /// The room in which it was posted.
    pub room_id: RoomId,
    /// Who posted it.
    pub author: UserId,
}

/// A command to a box. `at` is when it was received; who acts has been authenticated.
#[derive(Debug, Clone, PartialEq)]
pub enum BoxCommand {
    /// Sets up a box.
    InstallBox {
        /// Its id.
        box_id: BoxId,
        /// Who may use it.
        kind: BoxKind,
        /// Postal code.
        zip_code: ZipCode,
        /// Street address.
        address: Address,
        /// Floor, door, corner.
        detailed_address: Address,
        /// Where it stands.
        coordinates: Coordinates,
    },
    /// Changes what is given, keeps the rest.
    ChangeBoxDetails {
        /// Who may use it.
        kind: Option<BoxKind>,
        /// Postal code.
        zip_code: Option<ZipCode>,
        /// Street address.
        address: Option<Address>,
        /// Floor, door, corner.
        detailed_address: Option<Address>,
        /// Where it stands.
        coordinates: Option<Coordinates>,
    },
    /// Lets no new room be opened.
    TakeOutOfService {
        /// Why.
        reason: Option<Reason>,
    },
    /// Lets rooms be opened again.
    ReturnToService,
    /// Takes the box away for good; its room must be closed.
    RetireBox {
        /// When.
        at: DateTime<Utc>,
    },
    /// The box reports food.
    RecordArrival {
        /// When.
        at: DateTime<Utc>,
    },
    /// The box reports that its door was opened.
    RecordDoorOpening {
        /// When.
        at: DateTime<Utc>,
    },
    /// Gives up on a commit of the box that cannot be projected.
    DropEvent {
        /// The commit, if the box has one at the given sequence.
        commit: Option<EventSequence>,
        /// Why.
        reason: Reason,
    },
    /// Takes somebody out of the open room who is gone for good, and what they wrote out of all rooms of the box.
    EraseAuthor {
        /// Who.
        user_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Opens the box's next room.
    OpenRoom {
        /// Who opens it and becomes its host.
        host: UserId,
        /// Where they order.
        store_id: StoreId,
        /// Whether that store takes orders.
        store_open: bool,
        /// What the room is called.
        title: Title,
        /// How many may be inside.
        max_members: MaxMembers,
        /// argon2id, in PHC form; locks the room.
        password_hash: Option<String>,
        /// How long it stays open by itself, [`ROOM_LIFETIME`](super::ROOM_LIFETIME) as a rule.
        lifetime: TimeDelta,
        /// When.
        at: DateTime<Utc>,
    },
    /// Enters a room.
    JoinRoom {
        /// The room.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
        /// What is known of the password.
        password: PasswordProof,
        /// When.
        at: DateTime<Utc>,
    },
    /// Leaves a room.
    LeaveRoom {
        /// The room.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Puts a member out for good.
    KickMember {
        /// The room.
        room_id: RoomId,
        /// The host.
        by: UserId,
        /// Who has to go.
        user_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Makes another member the host.
    TransferHost {
        /// The room.
        room_id: RoomId,
        /// The host.
        by: UserId,
        /// The next host.
        to: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Moves the order forward.
    AdvanceStep {
        /// The room.
        room_id: RoomId,
        /// The host.
        by: UserId,
        /// Where it stands now.
        step: Step,
        /// When.
        at: DateTime<Utc>,
    },
    /// Keeps the room open for longer.
    ExtendRoom {
        /// The room.
        room_id: RoomId,
        /// The host.
        by: UserId,
        /// By how much.
        hours: ExtensionHours,
        /// When.
        at: DateTime<Utc>,
    },
    /// Closes the room.
    CloseRoom {
        /// The room.
        room_id: RoomId,
        /// The host.
        by: UserId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Closes the room because this deadline fired; does nothing when the room has another one by now.
    ExpireRoom {
        /// The room.
        room_id: RoomId,
        /// The deadline that fired.
        closes_at: DateTime<Utc>,
    },
    /// Says something.
    PostMessage {
        /// The room.
        room_id: RoomId,
        /// Who.
        author: UserId,
        /// What.
        body: MessageBody,
        /// The message that it answers: `Some(None)` when there is none with the given id.
        reply_to: Option<Option<OriginalMessage>>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Corrects one's own message.
    EditMessage {
        /// The room.
        room_id: RoomId,
        /// Who.
        by: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// What it says from now on.
        body: MessageBody,
        /// When.
        at: DateTime<Utc>,
    },
    /// Takes a message away.
    DeleteMessage {
        /// The room.
        room_id: RoomId,
        /// Its author, or the host.
        by: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Reacts to a message.
    AddReaction {
        /// The room.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// With what.
        emoji: Emoji,
        /// When.
        at: DateTime<Utc>,
    },
    /// Takes one's reaction back.
    RemoveReaction {
        /// The room.
        room_id: RoomId,
        /// Who.
        user_id: UserId,
        /// The message, if there is one with the given id.
        original: Option<OriginalMessage>,
        /// Which.
        emoji: Emoji,
        /// When.
        at: DateTime<Utc>,
    },
}
