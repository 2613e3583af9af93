//! The event log, its codec and the executor.
//!
//! The executor turns commands into commits, and the projector reads them with [`follow()`]. The crate does not use
//! HTTP, PostgreSQL or the clock: times are passed in with the commands. It does not know the keys of encrypted values:
//! a log that encrypts and decrypts wraps this one.

pub use actor::ActorRole;
pub use aggregate::StoredAggregate;
pub use append::AppendError;
pub use damage::Damage;
pub use deadlines::{Deadlines, FiredDeadline};
pub use envelope::{CommandContext, Decoded, RecordedCommit, RequestHash};
pub use error::EventStoreError;
pub use executor::{CommandError, Committed, Executor, ExecutorOptions};
pub use follow::{Batch, FollowError, Follower, commit_id_at, follow};
pub use jetstream::{BulkAddress, JetStreamLog};
pub use log::{BulkReader, EncryptError, Log, LogError, StreamState};
pub use marks::{MarkError, Marked, Marks};
pub use memory::MemoryLog;
pub use store::LogEventStore;
pub use tail::TailState;
pub use upcast::DecodeError;
pub use verification::{VerifyError, verify};

pub mod executor;
pub mod store;

pub mod error;

pub mod aggregate;
mod claims;
mod index;
mod tail;

pub mod actor;
pub mod envelope;
mod mark_event;
mod mark_keys;
pub mod upcast;

pub mod append;
pub mod damage;
pub mod follow;
pub mod headers;
pub mod history;
pub mod jetstream;
pub mod log;
pub mod memory;
pub mod verification;

pub mod deadlines;
pub mod marks;

pub mod metrics;
