//! The operators' command line.

use std::process::ExitCode;

use clap::Parser;
use command::Cli;

mod command;

mod arguments;
mod ask;
mod console;
mod failure;

mod audit;
mod changes;
mod drop_event;
mod invitation;
mod log;
mod operator;
mod progress;
mod push;
mod quarantine;
mod rates;
mod rebuild;
mod status;
mod token;
mod verify;
mod webhook;

/// The allocator of all services: a fresh projection for `verify` allocates as much as the projector.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(Cli::parse().command.run()).await
}
