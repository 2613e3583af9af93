//! The notifier: tells users of their alarms by push messages, and other systems of events by webhooks.
//!
//! It reads alarms from the served read model and the events of webhooks from the log, and owns the tables of what it
//! has told. It does not know commands or the keys of encrypted values. A provider or a receiver that fails delays its
//! own messages and nothing else.

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

mod webhook_args;
mod webhooks;

mod operator;

mod database;
mod metrics;
mod status;
