//! Events in, rows out, on a real PostgreSQL.

mod story;
mod world;

mod alarms;
mod boxes;
mod feed;
mod markers;
mod members;
mod messages;
mod reactions;
mod rooms;
mod stores;
mod users;

mod batches;
mod checkpoints;
mod generations;
mod poison;
