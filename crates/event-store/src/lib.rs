//! The event log: the only crate that names streams, subjects, consumers and buckets.
//!
//! The executor turns commands into commits, and the projector reads them with [`follow()`]. The crate does not use
//! HTTP, PostgreSQL or the clock: times are passed in with the commands.

pub use accounts_kv::{Account, AccountError, AccountState, Accounts, StoredAccount};
pub use actor::ActorRole;
pub use aggregate::StoredAggregate;
pub use append::AppendError;
pub use attempts_kv::{AttemptTallies, KeyedMutex, Tally};
pub use backup::{BackupError, Layout, Snapshot};
pub use bucket::BucketError;
pub use damage::Damage;
pub use deadlines::{Deadlines, Fired};
pub use envelope::{CommandContext, Decoded, RecordedCommit, RequestHash};
pub use error::EventStoreError;
pub use executor::{CommandError, Committed, Executor, ExecutorOptions};
pub use follow::{Batch, FollowError, Follower, commit_id_at, follow};
pub use jetstream::{BulkAddress, BulkReader, JetStreamLog, OWNER_API_PREFIX, SERVICE_API_PREFIX};
pub use keys::{KeyError, KeyRing, MasterKeyError, MasterKeys};
pub use log::{Log, LogError, SealError, StreamState};
pub use marks::{MarkError, Marked, Marks};
pub use memory::MemoryLog;
pub use provision::{ProvisionError, ProvisionOptions, provision, verify};
pub use restore::{Restore, Upload};
pub use sealed_log::SealedLog;
pub use sessions_kv::{Family, Former, SessionKey, Sessions};
pub use space::{Lack, Space};
pub use store::LogEventStore;
pub use stream::{StreamName, partition_of, streams};
pub use subject::Source;
pub use tail::TailState;
pub use trust_kv::{Revocations, SigningKeys};
pub use upcast::DecodeError;

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
pub mod space;
pub mod stream;
pub mod subject;

pub mod keys;
pub mod sealed_log;
mod sealing;

pub mod accounts_kv;
pub mod attempts_kv;
mod bucket;
pub mod deadlines;
pub mod marks;
pub mod sessions_kv;
pub mod trust_kv;

pub mod metrics;

pub mod accounts;
pub mod provision;

pub mod backup;
pub mod restore;
