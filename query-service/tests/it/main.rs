//! The query-service from its clients' point of view, on a real PostgreSQL and a real nats-server.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod alarms;
mod blocks;
mod boxes;
mod command_ids;
mod cursors;
mod description;
mod events;
mod export;
mod feeds;
mod found_messages;
mod found_rooms;
mod heartbeat;
mod limits;
mod live;
mod lobby;
mod malformed;
mod me;
mod my_rooms;
mod outages;
mod plans;
mod positions;
mod revocations;
mod room_contents;
mod rooms;
mod searches;
mod seen_by;
mod signals;
mod tickets;

mod listener;
mod watcher;
mod web;
mod world;
