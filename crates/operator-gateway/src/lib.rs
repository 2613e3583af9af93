//! The operator-gateway: the requests of `operator-protocol` over HTTP, for the pages of operators.
//!
//! It carries out nothing itself. Each request goes to the projectors or the notifiers over NATS, and their answer is
//! the response.

pub use run::run;
pub use settings::Settings;

mod run;
mod settings;

mod app;
mod body;
mod description;
mod handler;
mod operations;
mod problems;
