//! The event log: the only place that names streams, subjects, consumers and buckets.
//!
//! Commands become commits through the executor; the projector reads them back through [`follow`]. Knows nothing of HTTP,
//! of PostgreSQL, and of the clock: times come in with the commands.

pub use accounts_kv::{Account, AccountError, AccountState, Accounts, StoredAccount};
pub use append::AppendError;
pub use deadlines::{Deadlines, Fired};
pub use envelope::{CommandContext, Decoded, RecordedCommit, RequestHash};
pub use follow::{Batch, Damage, FollowError, Follower, commit_id_at, follow};
pub use jetstream::{JetStreamLog, OWNER_API_PREFIX, SERVICE_API_PREFIX};
pub use log::{Log, LogError, StreamState};
pub use marks::{MarkError, Marks};
pub use memory::MemoryLog;
pub use provision::{ProvisionError, ProvisionOptions, provision, verify};
pub use stream::{StreamName, partition_of, streams};
pub use subject::Source;
pub use upcast::DecodeError;

pub mod accounts;
pub mod accounts_kv;
pub mod append;
pub mod deadlines;
pub mod envelope;
pub mod follow;
pub mod jetstream;
pub mod log;
pub mod marks;
pub mod memory;
pub mod provision;
pub mod stream;
pub mod subject;
pub mod upcast;
