//! Claims that limit the open rooms of a user: a user has a number of slots, and each room that the user opens takes
//! one.
//!
//! A box and a user are on different streams, which cannot commit together. So a slot is claimed for a room before the
//! room is opened, and is never released: it is free again when its room is not open, or has another host. A crash
//! between the two commits leaves a slot that is free after a while.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{DeliveryBox, RoomId, UserId};
use rand::random;
use wire::{
    StreamName,
    subject::{self, hex},
};

use crate::{
    codec::envelope::{CommandContext, RecordedCommit},
    executor::{
        append::{AppendError, RetryPolicy, append},
        error::EventStoreError,
        store::LogEventStore,
        unique_names::{ClaimEvent, message},
    },
    log::{Freshness, Log},
};

/// The maximum number of times that a claim is tried because of concurrent ones.
const ATTEMPTS: usize = 32;

/// The time for which a claim counts before its room is open. An opening is stored within about 70 seconds after its
/// claim, or never.
const OPENING_TIME: TimeDelta = TimeDelta::seconds(90);

/// The slots of all users for the rooms that they open.
pub struct OpenerClaims(LogEventStore<DeliveryBox>);

/// A slot of a user as the log has it.
struct Slot {
    subject: String,
    /// The last sequence of the subject; 0 for a slot that was never claimed.
    sequence: u64,
    /// The room of the last claim, and the time at which the claim was stored.
    claim: Option<(RoomId, DateTime<Utc>)>,
}

impl OpenerClaims {
    /// Creates a handle to the slots in a log with this many partitions.
    pub fn new(log: Arc<dyn Log>, partitions: u16) -> Self {
        Self(LogEventStore::new(log, partitions))
    }

    /// Claims one of the first `slots` of a user for a room that is about to be opened. Returns false if none is free.
    /// The opening must be stored after this, by an executor.
    pub async fn claim(
        &self,
        host: &UserId,
        room_id: &RoomId,
        slots: u16,
        context: &CommandContext,
    ) -> Result<bool, EventStoreError> {
        let event = ClaimEvent::OpenerClaimed { user_id: host.clone(), room_id: room_id.clone() };
        for _ in 0..ATTEMPTS {
            let Some(slot) = self.free_slot(host, room_id, slots, context.at).await? else { return Ok(false) };
            let commit_id = hex(&random::<u128>().to_be_bytes());
            let message = message(&slot.subject, slot.sequence, &event, &commit_id, context)?;
            match append(self.0.log().as_ref(), &[message], &RetryPolicy::default()).await {
                Ok(_) => return Ok(true),
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EventStoreError::Contended)
    }

    /// Returns the slot that is claimed for this room already, or the first free one.
    async fn free_slot(
        &self,
        host: &UserId,
        room_id: &RoomId,
        slots: u16,
        at: DateTime<Utc>,
    ) -> Result<Option<Slot>, EventStoreError> {
        let mut free = None;
        for number in 0..slots {
            let slot = self.slot(subject::opener_claim(host, number)).await?;
            match &slot.claim {
                Some((claimed, _)) if claimed == room_id => return Ok(Some(slot)),
                Some((claimed, stored_at)) => {
                    if free.is_none() && !self.is_taken(host, claimed, *stored_at, at).await? {
                        free = Some(slot);
                    }
                }
                // Slots are taken in order, so the later ones were never claimed either.
                None => return Ok(free.or(Some(slot))),
            }
        }
        Ok(free)
    }

    async fn slot(&self, subject: String) -> Result<Slot, EventStoreError> {
        let Some(last) = self.0.log().last(StreamName::User, &subject, Freshness::Leader).await? else {
            return Ok(Slot { subject, sequence: 0, claim: None });
        };
        match RecordedCommit::parse(&last)?.events::<ClaimEvent>()?.pop() {
            Some(ClaimEvent::OpenerClaimed { room_id, .. }) => {
                Ok(Slot { subject, sequence: last.sequence, claim: Some((room_id, last.stored_at)) })
            }
            _ => Err(EventStoreError::Corrupt { reason: format!("{subject} has no claim on a slot") }),
        }
    }

    /// Returns true if a user hosts the claimed room and it is open, or if it may still be opened.
    async fn is_taken(
        &self,
        host: &UserId,
        claimed: &RoomId,
        stored_at: DateTime<Utc>,
        at: DateTime<Utc>,
    ) -> Result<bool, EventStoreError> {
        let state = match self.0.load(claimed.box_id(), Freshness::Leader).await {
            Ok(known) => known.state,
            Err(EventStoreError::Corrupt { reason }) => {
                // Such a box takes no commands, and must not keep its host from other boxes.
                tracing::warn!(room.id = %claimed, reason, "the room of a claim cannot be read");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        Ok(match state.room() {
            Some(room) if room.room_id() == claimed => {
                !room.is_closed() && room.host() == host && at < room.closes_at()
            }
            Some(room) if room.room_id().number() > claimed.number() => false,
            _ => at - stored_at < OPENING_TIME,
        })
    }
}
