//! System tests of Boxroom through its interfaces. Each file has servers of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod story;

mod alarms;
mod blocks;
mod deadlines;
mod filters;
mod idempotency;
mod live;
mod nats_commands;
mod races;
mod reads;
mod registration;
mod reports;
mod sessions;
mod stock_client;
mod writers;

mod backup;
mod browser;
mod checker;
mod event_streams;
mod export;
mod kicks;
mod limits;
mod many_streams;
mod nginx;
mod outages;
mod page;
mod presence;
mod projector_crash;
mod rebuild;
mod restored;
mod restored_sessions;
mod upgrade;

mod absence;
mod reconnects;
mod slow_reader;

mod metrics;
mod moderation;
mod private_boxes;
mod pushes;
mod room_invitations;
mod room_moderation;
mod slow_mode;
mod talk;
mod traces;
mod typescript;
mod webhooks;

mod audit;
mod authorization;
mod bad_input;
mod brute_force;
mod erasure;
mod garbage;
mod idle;
mod log_show;
mod openapi;
mod operators;
mod quarantine;
mod secured;
mod settings;
