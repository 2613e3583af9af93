//! The command-service: takes commands over HTTP and NATS, decides them, and appends their events to the log.
//!
//! It uses neither the read models nor PostgreSQL: decisions depend on the log alone.

pub use run::run;

pub mod settings;

mod routes;

mod boxes;
mod filters;
mod moderation;
mod reports;
mod rooms;
mod sessions;
mod stores;
mod talk;
mod users;

mod answer;
mod error;
mod numbers;
mod paths;
mod problems;
mod quotas;
mod readiness;
mod request;
mod schemas;

mod app;
mod collect;
mod completion;
mod count;
mod deadlines;
mod erasure;
mod gateway;
mod login_throttle;
mod metrics;
mod nicknames;
mod passwords;
mod removed_devices;
mod run;
mod server_clock;
mod signing;
mod slow_mode;
mod stamp;
mod text_filter;
mod well_known;
