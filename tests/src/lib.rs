//! What the system tests use to act as Boxroom's clients do: HTTP, WebSocket and NATS, and nothing from inside.
//!
//! A client in a test panics where it is disappointed, and says by what.

#![expect(clippy::missing_panics_doc, reason = "to panic is how these clients say that a test has failed")]

pub mod world;

pub mod person;

pub mod api;

pub mod answer;
mod frames;
pub mod listener;
pub mod live;
pub mod log;
pub mod memory;
pub mod raw;
pub mod wait;

pub use answer::Answer;
pub use listener::Listener;
pub use live::Live;
pub use person::{Command, Person};
pub use world::World;
