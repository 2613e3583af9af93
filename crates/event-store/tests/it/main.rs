//! Tests of the event log, on real servers and in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;

mod asking;
mod batches;
mod bulk;
mod cluster;
mod damage;
mod deadlines;
mod frozen;
mod outages;
mod space;
