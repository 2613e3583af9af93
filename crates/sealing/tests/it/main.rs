//! Tests of encrypting the log, on real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod largest;
mod sealing;
mod watching;
