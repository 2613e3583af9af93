//! Tests of the service on a real nats-server, through HTTP and NATS.

#![expect(clippy::unwrap_used, reason = "what is not as expected ends the test")]

mod app;
mod contract;

mod clock;
mod commands;
mod confirmations;
mod crashes;
mod deadlines;
mod disconnects;
mod gateway;
mod invitations;
mod issuer;
mod nicknames;
mod outages;
mod partitions;
mod quotas;
mod registration;
mod sessions;
mod start;
