//! The place of each aggregate in the log: streams, subjects, lanes.

use std::{fmt::Display, hash::Hash, str::FromStr};

use cqrs_es::Aggregate;
use domain::{
    BoxCommand, BoxId, DeliveryBox, Filters, FiltersId, Lane, MessageLookUp, Report, ReportId, Store, StoreId,
    StoreRefusal, User, UserId, UserRefusal,
};
use wire::{Source, StreamName, partition_of, subject};

use crate::codec::{envelope::RecordedCommit, upcast::StoredEvent};

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
    type Id: Clone + Eq + Hash + Display + FromStr + Send + Sync + 'static;

    /// The version of the state's shape as stored in commits. Raise it with every change of that shape, because an
    /// earlier release would store the state without what it does not know.
    const STATE_VERSION: u32;

    /// The oldest version from which this shape can be read. States of older versions are ignored and folded from the
    /// events. A field may have a default if the events that change it cannot be read by releases that do not store it.
    const OLDEST_STATE_VERSION: u32 = Self::STATE_VERSION;

    /// The lane of a commit without events, which records a keyed command that changed nothing. On the room lane it
    /// carries the unchanged state.
    const LANE_WITHOUT_EVENTS: Lane = Lane::Room;

    /// Returns the state after a commit, if the commit carries one that can be read.
    fn stored_state(commit: &RecordedCommit) -> Option<Self> {
        commit.state(Self::OLDEST_STATE_VERSION..=Self::STATE_VERSION)
    }

    /// False if a release stored the state without a part that decisions need. It is folded from the events instead.
    fn is_complete(&self) -> bool {
        true
    }

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

    /// The message whose state must be looked up before a command is decided on this state.
    fn look_up<'a>(&self, _command: &'a mut Self::Command) -> Option<MessageLookUp<'a>> {
        None
    }

    /// True if the state has [`members`](Self::members).
    const HAS_MEMBERS: bool = false;

    /// The members of the open room in this state.
    fn members(&self) -> &[UserId] {
        &[]
    }

    /// The claims on the unique name that the aggregate has in this state.
    fn claims(&self) -> Option<NameClaims> {
        None
    }

    /// The refusal for a name that another aggregate has claimed. None for a type that claims no names.
    fn claim_taken() -> Option<Self::Error> {
        None
    }
}

/// The subjects of the claims on a unique name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameClaims {
    /// The claim on the name itself. Every holder of a name has it.
    pub exact: String,
    /// The claim on all names that look like it. A user of an earlier release may lack it, or keep it under a name that
    /// an earlier release has changed: it counts only while its holder has such a name.
    pub alike: String,
}

impl StoredAggregate for DeliveryBox {
    type Id = BoxId;
    const STATE_VERSION: u32 = 2;
    const OLDEST_STATE_VERSION: u32 = 1;
    const LANE_WITHOUT_EVENTS: Lane = Lane::Talk;
    const HAS_MEMBERS: bool = true;

    fn is_complete(&self) -> bool {
        Self::is_complete(self)
    }

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

    fn look_up<'a>(&self, command: &'a mut BoxCommand) -> Option<MessageLookUp<'a>> {
        Self::look_up(self, command)
    }

    fn members(&self) -> &[UserId] {
        self.room().filter(|room| !room.is_closed()).map_or(&[], |room| room.members())
    }
}

impl StoredAggregate for User {
    type Id = UserId;
    const STATE_VERSION: u32 = 6;
    const OLDEST_STATE_VERSION: u32 = 1;

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

    fn claims(&self) -> Option<NameClaims> {
        self.nickname().map(|nickname| NameClaims {
            exact: subject::nickname_claim_v1(nickname),
            alike: subject::nickname_claim_v2(nickname),
        })
    }

    fn claim_taken() -> Option<UserRefusal> {
        Some(UserRefusal::NicknameTaken)
    }
}

impl StoredAggregate for Store {
    type Id = StoreId;
    const STATE_VERSION: u32 = 2;
    const OLDEST_STATE_VERSION: u32 = 1;

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

impl StoredAggregate for Filters {
    type Id = FiltersId;
    const STATE_VERSION: u32 = 1;

    fn streams(_: u16) -> Vec<StreamName> {
        vec![StreamName::Store]
    }

    fn stream(_: &FiltersId, _: u16) -> StreamName {
        StreamName::Store
    }

    fn subject(_: &FiltersId, _: Lane, _: u16) -> String {
        subject::filters()
    }

    fn changed_by(source: &Source) -> Option<FiltersId> {
        matches!(source, Source::Filters).then_some(FiltersId)
    }
}

impl StoredAggregate for Report {
    type Id = ReportId;
    const STATE_VERSION: u32 = 1;

    fn streams(_: u16) -> Vec<StreamName> {
        vec![StreamName::Store]
    }

    fn stream(_: &ReportId, _: u16) -> StreamName {
        StreamName::Store
    }

    fn subject(id: &ReportId, _: Lane, _: u16) -> String {
        subject::report(id)
    }

    fn changed_by(source: &Source) -> Option<ReportId> {
        match source {
            Source::Report { report_id } => Some(report_id.clone()),
            _ => None,
        }
    }
}
