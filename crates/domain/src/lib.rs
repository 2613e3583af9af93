//! The domain model of Boxroom: ids, values, and the aggregates `DeliveryBox`, `User`, `Store`, `Filters` and `Report`.
//!
//! The crate does no I/O and reads no clock and no randomness: time and ids are part of the command.
//!
//! # Bounds of the states
//!
//! Every commit carries the state of its aggregate, and a commit has at most 192 KiB. So each part of a state that
//! grows has a bound, which is checked when a command is decided and never when an event is applied:
//!
//! | aggregate | growing part | bound |
//! |---|---|---|
//! | `DeliveryBox` | rooms | the last one only |
//! | | members of the room | 100, [`MaxMembers`](values::MaxMembers) |
//! | | kicked users of the room | 500, [`MAX_KICKED`](delivery_box::MAX_KICKED); forgotten when the room closes |
//! | | extensions of the room | a number up to 3, [`MAX_EXTENSIONS`](delivery_box::MAX_EXTENSIONS) |
//! | | password hash of the room | one, about 100 bytes |
//! | | co-hosts of the room | 5, [`MAX_CO_HOSTS`](delivery_box::MAX_CO_HOSTS) |
//! | | muted users of the room | 200 with a time each, [`MAX_MUTED`](delivery_box::MAX_MUTED); forgotten likewise |
//! | | pinned messages of the room | 3, [`MAX_PINS`](delivery_box::MAX_PINS) |
//! | | invitations of the room | 10 with a hash each, [`MAX_INVITATIONS`](delivery_box::MAX_INVITATIONS) |
//! | | users of a private box | 500, [`MAX_USERS`](delivery_box::MAX_USERS) |
//! | `User` | nickname | 40 characters in 160 bytes, [`Nickname`](values::Nickname) |
//! | | devices | 10 ids, [`MAX_DEVICES`](user::MAX_DEVICES) |
//! | | muted rooms | 200 ids, [`MAX_MUTED_ROOMS`](user::MAX_MUTED_ROOMS) |
//! | | blocked users | 500 ids, [`MAX_BLOCKED_USERS`](user::MAX_BLOCKED_USERS) |
//! | | positions of read alarms | one for each partition, at most 64, [`MAX_STREAMS`](position_vector::MAX_STREAMS) |
//! | `Store` | none | |
//! | `Filters` | filters | 500, [`MAX_FILTERS`](filters::MAX_FILTERS), each with a pattern of 64 bytes |
//! | `Report` | none | |
//!
//! Ids have at most 40 characters, a room's id 50. What is not part of any state, only of single events: texts of
//! boxes, stores, titles, messages, reactions and reasons (bounded in [`values`]), addresses of devices (4,096
//! characters), notification preferences (one flag for each [`AlarmKind`]), quiet hours, erased authors, and dropped
//! events.

#![warn(clippy::wildcard_enum_match_arm)]

pub use delivery_box::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, Lane, MessageLookUp, MessageState, OriginalMessage, OwnCommand,
    OwnEvent, PasswordProof, Room, RoomChange, RoomClosedReason, RoomCommand, RoomEvent, TalkCommand, TalkEvent,
};
pub use filters::{FilterAction, FilterCommand, FilterEvent, FilterKind, FilterRefusal, Filters};
pub use ids::{
    BoxId, DeviceId, EventSequence, FilterId, FiltersId, InvalidId, MessageId, ReportId, RoomId, StoreId, UserId,
};
pub use position::{InvalidPosition, Position};
pub use position_vector::PositionVector;
pub use report::{
    HeldMessage, Report, ReportAction, ReportCategory, ReportCommand, ReportEvent, ReportRefusal, ReportedMessage,
};
pub use store::{Store, StoreCommand, StoreEvent, StoreRefusal};
pub use user::{AlarmKind, NotificationPreferences, User, UserCommand, UserEvent, UserRefusal};

mod named_events;

pub mod delivery_box;
pub mod filters;
pub mod ids;
pub mod position;
pub mod position_vector;
pub mod report;
#[cfg(test)]
mod scenario;
pub mod store;
pub mod user;
pub mod values;
