//! The domain model of Boxroom: ids, values, and the aggregates `DeliveryBox`, `User` and `Store`.
//!
//! The crate does no I/O and reads no clock and no randomness: time and ids are part of the command.

#![warn(clippy::wildcard_enum_match_arm)]

pub use delivery_box::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, Lane, OriginalMessage, PasswordProof, Room, RoomClosedReason,
};
pub use ids::{BoxId, DeviceId, EventSequence, InvalidId, MessageId, RoomId, StoreId, UserId};
pub use position::{InvalidPosition, Position, partition_of, stream_of};
pub use store::{Store, StoreCommand, StoreEvent, StoreRefusal};
pub use user::{AlarmKind, NotificationPreferences, User, UserCommand, UserEvent, UserRefusal};

pub mod delivery_box;
pub mod ids;
pub mod notice;
pub mod position;
#[cfg(test)]
mod scenario;
pub mod store;
pub mod trust;
pub mod user;
pub mod values;
