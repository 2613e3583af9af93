//! The operator-gateway with real projectors, notifiers and servers. Build their programs first:
//! `cargo build --workspace --bins`.

mod callers;
mod documents;
mod generations;
mod malformed;
mod outages;
mod shutdown;
mod webhooks;
mod world;
