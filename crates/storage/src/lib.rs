//! The storage of a NATS server (JetStream), as the log and the buckets use it: one connection, its lack of space, and
//! the one adapter for buckets.
//!
//! The crate does not know what is stored.

pub use bucket::{Bucket, BucketError};
pub use server::{JetStream, Unavailable};
pub use space::{Space, SpaceLimit};
pub use watch::BucketWatch;

pub mod bucket;
pub mod codes;
mod disk_full;
pub mod server;
pub mod space;
pub mod watch;
