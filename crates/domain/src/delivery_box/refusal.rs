//! Reasons to refuse a command to a box.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::values::Step;

/// A refusal. Its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoxRefusal {
    /// The id is taken.
    #[error("a box with this id already exists")]
    BoxExists,
    /// No such box.
    #[error("there is no such box")]
    BoxNotFound,
    /// A room is open on the box.
    #[error("the box is in use")]
    BoxInUse,
    /// The box is under repair.
    #[error("the box is out of service")]
    BoxOutOfService,
    /// The box was removed permanently.
    #[error("the box was retired")]
    BoxRetired,
    /// The store takes no orders.
    #[error("the store takes no orders now")]
    StoreClosed,
    /// No such room.
    #[error("there is no such room")]
    RoomNotFound,
    /// The room was closed, or its deadline has passed.
    #[error("the room is closed")]
    RoomClosed,
    /// The room has its maximum number of members.
    #[error("the room is full")]
    RoomFull,
    /// The room is locked, and the password is missing or wrong.
    #[error("wrong room password")]
    WrongPassword,
    /// A kicked user cannot join the room again.
    #[error("you were kicked out of this room")]
    Kicked,
    /// The user is a member already.
    #[error("you are already a member of this room")]
    AlreadyMember,
    /// The command requires membership.
    #[error("you are not a member of this room")]
    NotAMember,
    /// The command requires the host.
    #[error("only the host may do this")]
    NotTheHost,
    /// The command requires the host or a co-host, and is not directed against the host or another co-host.
    #[error("only the host may do this, or a co-host if it does not concern the host or a co-host")]
    NotAModerator,
    /// The other user is not a member.
    #[error("this user is not a member of the room")]
    MemberNotFound,
    /// A host leaves or transfers the role instead.
    #[error("you cannot kick yourself: leave the room")]
    CannotKickYourself,
    /// The room remembers no further kicked user.
    #[error("500 users were kicked out of this room already, which is the most: close it")]
    TooManyKicks,
    /// The host cannot be muted, and is no co-host.
    #[error("this member is the host")]
    IsTheHost,
    /// The room has its maximum number of co-hosts.
    #[error("a room has at most 5 co-hosts")]
    TooManyCoHosts,
    /// The room remembers no further muted user.
    #[error("200 users are muted in this room, which is the most")]
    TooManyMutes,
    /// The member is muted.
    #[error("you are muted until {}", .until.to_rfc3339_opts(SecondsFormat::Secs, true))]
    Muted {
        /// The end of the muting.
        until: DateTime<Utc>,
        /// The time until then, in seconds.
        seconds: u32,
    },
    /// The host has placed the order.
    #[error("the order was placed: store, title, size and password stay as they are")]
    OrderPlaced,
    /// The room has more members than the new maximum.
    #[error("the room has {0} members already")]
    TooManyMembers(u32),
    /// The invitation is unknown, revoked, expired or used up.
    #[error("the invitation is unknown, revoked, expired or used up")]
    InvalidInvitation,
    /// No such invitation in this room.
    #[error("there is no such invitation in this room")]
    InvitationNotFound,
    /// The room has its maximum number of valid invitations.
    #[error("a room has at most 10 valid invitations")]
    TooManyInvitations,
    /// The box is private, and the user is not allowed to use it.
    #[error("the box is private, and you are not one of its users")]
    PrivateBox,
    /// The box has its maximum number of users.
    #[error("a box has at most 500 allowed users")]
    TooManyUsers,
    /// Steps only move forward.
    #[error("the order is at step {} already", .0.as_str())]
    StepNotForward(Step),
    /// A room can be extended three times at most.
    #[error("the room has already been extended three times")]
    TooManyExtensions,
    /// The box has no such commit.
    #[error("this box has no event at this sequence")]
    EventNotFound,
    /// No such message in this room.
    #[error("there is no such message in this room")]
    MessageNotFound,
    /// The command requires the author of the message.
    #[error("only the author may do this")]
    NotTheAuthor,
    /// The message was deleted.
    #[error("the message was deleted")]
    MessageDeleted,
    /// The message has its maximum number of different reactions.
    #[error("a message has at most 20 different reactions")]
    TooManyReactions,
    /// The user has the maximum number of reactions to the message.
    #[error("a user has at most 10 reactions to a message")]
    TooManyOwnReactions,
}
