//! Alarms become push messages: to whom, with what content, and what happens when providers and processes fail.

mod content;
mod crashes;
mod dead;
mod recipients;
mod slow_provider;
