//! Every name on NATS: streams, subjects, buckets and their keys, consumers and API prefixes.
//!
//! The crate does no I/O. Most names are stored, and none of them may change.

pub use api::{OWNER_API_PREFIX, SERVICE_API_PREFIX};
pub use stream::{StreamName, partition_of, streams};
pub use subject::Source;

pub mod api;
pub mod bucket;
pub mod stream;
pub mod subject;
pub mod transient;
pub mod trust;
