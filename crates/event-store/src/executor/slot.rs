//! The cached states of aggregates.

use std::sync::{Arc, PoisonError, RwLock};

use moka::future::Cache;
use tokio::sync::Mutex;

use crate::{
    codec::envelope::RecordedCommit,
    executor::{aggregate::StoredAggregate, store::Versioned},
};

/// The cached state of one aggregate. Held by the cache, by the commands in progress, and by the tail.
pub(super) struct Slot<A> {
    /// Commands that change the state are serialized here. The guard makes this correct, the mutex makes it cheap.
    pub(super) queue: Mutex<()>,
    known: RwLock<Option<Versioned<A>>>,
}

impl<A> Default for Slot<A> {
    fn default() -> Self {
        Self { queue: Mutex::default(), known: RwLock::default() }
    }
}

impl<A> Slot<A> {
    pub(super) fn known(&self) -> Option<Versioned<A>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops a state that is older than this version, so that it is read again.
    pub(super) fn drop_older(&self, version: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.take_if(|known| known.version < version);
    }

    pub(super) fn update(&self, newer: Versioned<A>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.version < newer.version) {
            *known = Some(newer);
        }
    }
}

/// Updates a cached state from a commit of the tail.
pub(super) async fn observe<A: StoredAggregate>(slots: Cache<A::Id, Arc<Slot<A>>>, commit: RecordedCommit) {
    let Some(id) = A::changed_by(&commit.source) else { return };
    let Some(slot) = slots.get(&id).await else { return };
    if slot.known().is_some_and(|known| known.version >= commit.sequence) {
        return;
    }
    match A::stored_state(&commit).filter(A::is_complete) {
        Some(state) => slot.update(Versioned { state: Arc::new(state), version: commit.sequence }),
        // The state is encrypted, incomplete or of a newer release: the next command loads it. The slot itself stays in
        // the cache, because commands in progress hold it and share their results through it.
        None => slot.drop_older(commit.sequence),
    }
}
