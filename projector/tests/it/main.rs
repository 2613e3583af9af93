//! Tests of the projector on real servers: events in, rows out, despite failures.

mod process;
mod sample_log;
mod story;
mod words;
mod world;

mod boxes;
mod members;
mod messages;
mod moderation;
mod reactions;
mod room_moderation;
mod rooms;

mod alarms;
mod alarms_model;
mod alarms_withdrawn;
mod feed;
mod touched;
mod unread;

mod markers;
mod stores;
mod users;

mod batches;
mod checkpoints;
mod erasure;
mod failure_isolation;
mod generation_lifecycle;
mod generations;
mod verify;

mod following;
mod operators;
mod outages;
mod quarantine;
mod replicas;
mod stalls;
