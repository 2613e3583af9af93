//! Tests of the event log, on real servers and in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;

mod accounts;
mod asking;
mod batches;
mod bulk;
mod cluster;
mod damage;
mod deadlines;
mod denials;
mod frozen;
mod largest;
mod outages;
mod permissions;
mod provisioning;
mod sealing;
mod space;
mod watching;

mod proxy;
mod server;
mod town;
