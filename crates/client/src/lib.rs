//! The reference client of `boxroom.v1`: follows rooms live, delivers each event once and in order across
//! interruptions, and delivers the user's alarms, memberships and unread counts.
//!
//! Depends on the protocol and on domain ids only, not on the services.
//!
//! ```no_run
//! # async fn follow() -> Result<(), client::Error> {
//! use client::{Client, Incoming, Options, Since};
//!
//! let options = Options::new(["http://127.0.0.1:8081"], async || Ok("an access token".to_owned()));
//! let (client, mut inbox) = Client::connect(options)?;
//! client.subscribe("locker-7.1".parse().expect("a room id"), Since::After(0));
//! while let Some(incoming) = inbox.next().await {
//!     if let Incoming::Event(event) = incoming? {
//!         println!("{} {}", event.v, event.kind);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod connection;

pub use connection::{Client, Inbox};
pub use incoming::{Alarm, Ending, Error, Event, FetchError, Incoming, Loss, Page, Sign, Standing};
pub use options::{Options, Since, TokenError};

mod incoming;
mod options;

mod backoff;
mod fetches;
mod frames;
mod rate_limiter;
mod renewal;
mod rooms;
mod session;
mod socket;
mod user_items;
