//! Development tasks of this repository: `cargo xtask <command>`.

mod client;
mod dev;
mod events;
mod prepare;
mod seed;
mod test;

mod cargo;
mod circles;
mod console;
mod leaks;
mod tidy;
mod tracked;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs, tests and maintains Boxroom.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on this machine, and stop it with Ctrl-C
    Dev(dev::Dev),
    /// Run every check and every test against real servers
    Test(test::Test),
    /// Update the query metadata in .sqlx, so that building needs no database
    Prepare(prepare::Prepare),
    /// Update docs/events.md, the catalogue of stored events, from the sources
    Events(events::Events),
    /// Update the types of the TypeScript client from the descriptions of the services
    Client(client::Client),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Dev(dev) => Box::pin(dev.run()).await,
        Command::Test(test) => test.run().await,
        Command::Prepare(prepare) => prepare.run().await,
        Command::Events(events) => events.run(),
        Command::Client(client) => Box::pin(client.run()).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}
