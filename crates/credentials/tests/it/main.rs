//! Tests of credentials on a real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounts;
mod invitations;
