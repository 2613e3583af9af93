//! Answers reads from PostgreSQL and pushes what happens to every subscriber's WebSocket.
//!
//! Reads only: knows no command, and of the log nothing but positions and the names of notices.

pub use run::run;
pub use settings::Settings;

mod routes;

mod boxes;
mod me;
mod rooms;
mod search;
mod stores;
mod views;

mod live;

mod app;
mod callers;
mod cursor;
mod error;
mod generation;
mod metrics;
mod page;
mod position;
mod problems;
mod reader;
mod run;
mod schemas;
mod settings;
