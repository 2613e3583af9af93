//! Samples and clients that the tests of several crates share.
//!
//! All of it panics if an expectation fails, and the message names the expectation.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a test fails")]
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

pub mod commands;
pub mod requests;

pub mod answer;
pub mod earlier_release;
pub mod event_stream;
pub mod live;
pub mod proxy;
pub mod server;
pub mod wait;

pub use answer::Answer;
pub use earlier_release::EarlierRelease;
pub use event_stream::EventStream;
pub use live::LiveClient;
pub use proxy::Proxy;
