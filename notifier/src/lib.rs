//! The notifier: tells users of their alarms by push messages.
//!
//! It reads alarms from the served read model, and owns the tables of what it has told. It does not know commands or
//! the log. A provider that fails delays push messages and nothing else.

pub use run::run;

pub mod settings;

mod app;
mod run;

mod partitions;
mod wakeups;
mod worker;

mod cursor;
mod plan;

mod decision;
mod presence;
mod quiet_hours;
mod tell;

mod content;
mod delivery;
mod gate;
mod providers;
mod pushes;
mod removed_devices;
mod texts;

mod database;
mod metrics;
mod status;
