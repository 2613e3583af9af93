//! Tests of provisioning on real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod denials;
mod permissions;
mod provisioning;
mod roles;
