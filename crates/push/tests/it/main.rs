//! Tests of the providers against the stand-in of all services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

mod apns;
mod fcm;
mod outbound;
mod privacy;
mod web_push;
