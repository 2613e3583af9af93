//! Why a command to a box can be refused.

use crate::values::Step;

/// A refusal; its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoxRefusal {
    /// The id is taken.
    #[error("a box with this id exists already")]
    BoxExists,
    /// No such box.
    #[error("there is no such box")]
    BoxNotFound,
    /// A room is open on it.
    #[error("the box is in use")]
    BoxInUse,
    /// It is being repaired.
    #[error("the box is out of service")]
    BoxOutOfService,
    /// It is gone for good.
    #[error("the box was retired")]
    BoxRetired,
    /// The store takes no orders.
    #[error("the store takes no orders now")]
    StoreClosed,
    /// No such room.
    #[error("there is no such room")]
    RoomNotFound,
    /// It was closed, or its deadline has passed.
    #[error("the room is closed")]
    RoomClosed,
    /// Every seat is taken.
    #[error("the room is full")]
    RoomFull,
    /// The room is locked and this does not open it.
    #[error("the password does not fit")]
    WrongPassword,
    /// Whoever was kicked does not come back.
    #[error("you were kicked out of this room")]
    Kicked,
    /// Already inside.
    #[error("you are a member of this room already")]
    AlreadyMember,
    /// Only members may.
    #[error("you are not a member of this room")]
    NotAMember,
    /// Only the host may.
    #[error("only the host may do this")]
    NotTheHost,
    /// The other one is not a member.
    #[error("this user is not a member of the room")]
    MemberNotFound,
    /// A host leaves or hands over instead.
    #[error("the host cannot kick themselves")]
    CannotKickYourself,
    /// The room remembers no further kicked user.
    #[error("500 users were kicked out of this room already, which is the most: close it")]
    TooManyKicks,
    /// Steps only go forward.
    #[error("the order is at step {} already", .0.as_str())]
    StepNotForward(Step),
    /// Three are the most.
    #[error("the room was extended three times already")]
    TooManyExtensions,
    /// The box has no such commit.
    #[error("this box has no event at this sequence")]
    EventNotFound,
    /// No such message in this room.
    #[error("there is no such message in this room")]
    MessageNotFound,
    /// Only the author may.
    #[error("only the author may do this")]
    NotTheAuthor,
}
