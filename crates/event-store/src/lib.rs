//! The event log, its codec and the executor.
//!
//! The executor turns commands into commits, and the projector reads them with [`follow()`]. The crate does not use
//! HTTP, PostgreSQL or the clock: times are passed in with the commands. It does not know the keys of encrypted values:
//! a log that encrypts and decrypts wraps this one.

pub use codec::{
    actor::ActorRole,
    envelope::{CommandContext, Decoded, RecordedCommit, RequestHash},
    upcast::DecodeError,
};
pub use deadlines::{Deadlines, FiredDeadline};
pub use executor::{
    Executor, ExecutorOptions,
    aggregate::StoredAggregate,
    append::AppendError,
    error::EventStoreError,
    outcome::{CommandError, Committed},
    store::LogEventStore,
    tail::TailState,
};
pub use log::{
    BulkReader, EncryptError, Log, LogError, StreamState,
    damage::Damage,
    follow::{Batch, FollowError, Follower, commit_id_at, follow},
    jetstream::{BulkAddress, JetStreamLog},
    memory::MemoryLog,
    verification::{VerifyError, verify},
};
pub use marks::{MarkError, Marked, Marks};
pub use nickname_claims::{Claimed, NicknameClaims};
pub use opener_claims::OpenerClaims;

pub mod codec;
pub mod executor;
pub mod log;

pub mod deadlines;
pub mod marks;
pub mod nickname_claims;
pub mod opener_claims;

pub mod metrics;
