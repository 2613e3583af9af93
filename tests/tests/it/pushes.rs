//! Alarms become push messages: their recipients, their content, and failures of providers and processes.

mod content;
mod crashes;
mod dead;
mod recipients;
mod slow_provider;
