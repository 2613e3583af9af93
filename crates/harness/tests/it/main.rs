//! Tests of the servers and services that the harness starts.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod servers;
