//! The place of each aggregate in the log: streams, subjects, lanes.

use std::{fmt::Display, hash::Hash};

use cqrs_es::Aggregate;
use domain::{BoxId, DeliveryBox, Lane, Store, StoreId, StoreRefusal, User, UserId, UserRefusal};
use wire::{Source, StreamName, partition_of, subject};

use crate::codec::upcast::StoredEvent;

/// An aggregate whose events are stored in the log.
pub trait StoredAggregate:
    Aggregate<
        Command: Clone + Send + Sync + 'static,
        Event: StoredEvent + 'static,
        Error: Send + Sync + 'static,
        Services = (),
    > + Clone
    + 'static
{
    /// The id of an aggregate.
    type Id: Clone + Eq + Hash + Display + Send + Sync + 'static;

    /// The version of the state's shape as stored in commits. Raise it with every change of that shape: states of older
    /// versions are ignored and folded from the events.
    const STATE_VERSION: u32;

    /// The lane of a commit without events, which records a keyed command that changed nothing. On the room lane it
    /// carries the unchanged state.
    const LANE_WITHOUT_EVENTS: Lane = Lane::Room;

    /// The streams that hold aggregates of this type.
    fn streams(partitions: u16) -> Vec<StreamName>;

    /// The stream that holds this aggregate.
    fn stream(id: &Self::Id, partitions: u16) -> StreamName;

    /// The subject of this aggregate's events of a lane.
    fn subject(id: &Self::Id, lane: Lane, partitions: u16) -> String;

    /// The aggregate whose state a stored commit changes, if it changes one of this type.
    fn changed_by(source: &Source) -> Option<Self::Id>;

    /// The lane of an event. Only the room lane changes the state, and only its last sequence is the version.
    fn lane(_event: &Self::Event) -> Lane {
        Lane::Room
    }

    /// The subject of the unique name that the aggregate claims in this state.
    fn claim(&self) -> Option<String> {
        None
    }

    /// The refusal for a name that another aggregate has claimed. None for a type that claims no names.
    fn claim_taken() -> Option<Self::Error> {
        None
    }
}

impl StoredAggregate for DeliveryBox {
    type Id = BoxId;
    const STATE_VERSION: u32 = 1;
    const LANE_WITHOUT_EVENTS: Lane = Lane::Talk;

    fn streams(partitions: u16) -> Vec<StreamName> {
        (0..partitions).map(StreamName::Box).collect()
    }

    fn stream(id: &BoxId, partitions: u16) -> StreamName {
        StreamName::Box(partition_of(id, partitions))
    }

    fn subject(id: &BoxId, lane: Lane, partitions: u16) -> String {
        subject::lane(id, lane, partitions)
    }

    fn changed_by(source: &Source) -> Option<BoxId> {
        match source {
            Source::Room { box_id } => Some(box_id.clone()),
            _ => None,
        }
    }

    fn lane(event: &Self::Event) -> Lane {
        event.lane()
    }
}

impl StoredAggregate for User {
    type Id = UserId;
    const STATE_VERSION: u32 = 2;

    fn streams(_: u16) -> Vec<StreamName> {
        vec![StreamName::User]
    }

    fn stream(_: &UserId, _: u16) -> StreamName {
        StreamName::User
    }

    fn subject(id: &UserId, _: Lane, _: u16) -> String {
        subject::user(id)
    }

    fn changed_by(source: &Source) -> Option<UserId> {
        match source {
            Source::User { user_id } => Some(user_id.clone()),
            _ => None,
        }
    }

    fn claim(&self) -> Option<String> {
        self.nickname().map(subject::nickname_claim)
    }

    fn claim_taken() -> Option<UserRefusal> {
        Some(UserRefusal::NicknameTaken)
    }
}

impl StoredAggregate for Store {
    type Id = StoreId;
    const STATE_VERSION: u32 = 1;

    fn streams(_: u16) -> Vec<StreamName> {
        vec![StreamName::Store]
    }

    fn stream(_: &StoreId, _: u16) -> StreamName {
        StreamName::Store
    }

    fn subject(id: &StoreId, _: Lane, _: u16) -> String {
        subject::store(id)
    }

    fn changed_by(source: &Source) -> Option<StoreId> {
        match source {
            Source::Store { store_id } => Some(store_id.clone()),
            _ => None,
        }
    }

    fn claim_taken() -> Option<StoreRefusal> {
        None
    }
}
