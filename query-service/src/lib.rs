//! The query-service: serves reads from PostgreSQL, and pushes events to live connections.
//!
//! It contains no command, and of the log only positions and the subjects of notifications.

pub use run::run;
pub use settings::Settings;

mod routes;

mod boxes;
mod me;
mod moderation;
mod rooms;
mod search;
mod stores;
mod users;
mod views;

mod live;

mod alarm_summary;
mod app;
mod cards;
mod collect;
mod cursor;
mod error;
mod generation;
mod location;
mod metrics;
mod page;
mod position;
mod private_boxes;
mod problems;
mod reader;
mod run;
mod schemas;
mod settings;
mod web;
