//! `bench`: measures Boxroom on its own real servers. Only figures of the same run are comparable.

mod cpu;
mod rebuild;
mod search;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  bench rebuild                            400,000 events, compared with a copy of the same rows
  bench rebuild --events 40000,400000      growth of the time with the number of events
  bench rebuild --json | jq '.runs[].ratio'
  bench search --messages 1000000 --plans  searches over a million messages, with their plans

Build it with --release. It starts a nats-server and a PostgreSQL of its own, and removes them afterwards.";

/// Measure Boxroom on real servers
#[derive(Debug, Parser)]
#[command(name = "bench", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Build a read model from the log, and compare with a bare copy of its rows
    Rebuild(rebuild::Options),
    /// Search messages as a member of few and of many rooms
    Search(search::Options),
}

/// The same allocator as in the projector.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().scenario {
        Scenario::Rebuild(options) => Box::pin(rebuild::run(&options)).await,
        Scenario::Search(options) => Box::pin(search::run(&options)).await,
    };
    match result.and_then(|text| Ok(writeln!(io::stdout(), "{text}")?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
