//! Alarms become push messages: their recipients, their content, and failures of providers and processes.

mod content;
mod crashes;
mod dead;
mod deadlines;
mod rebuild;
mod recipients;
mod restored;
mod slow_host;
mod slow_provider;
