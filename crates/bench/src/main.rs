//! `bench`: measures Boxroom on its own real servers. Only figures of the same run are comparable.

mod cpu;
mod machine;
mod progress;
mod services;

mod load;
mod peers;
mod plan;
mod report;
mod results;

mod accounting;
mod boxroom;
mod tasks;
mod traffic;
mod world;

mod append;
mod deliver;
mod idle;
mod lag;
mod measure;
mod pushes;
mod read;
mod rebuild;
mod replay;
mod search;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use measure::Measured;

const EXAMPLES: &str = "\
Examples:
  bench all                                every scenario but rebuild and search, with tables at the end
  bench deliver --html report.html         deliveries, with plots in a page
  bench deliver --only '100 rooms x 20'    only the cases with this text in their names
  bench all --quick                        some 10 seconds for each scenario, to see that everything works
  bench rebuild                            400,000 events, compared with a copy of the same rows
  bench rebuild --events 40000,400000      growth of the time with the number of events
  bench rebuild --json | jq '.runs[].ratio'
  bench search --messages 1000000 --plans  searches over a million messages, with their plans

Build it with --release. It starts servers and services of its own, and removes them afterwards. docs/performance.md
explains the method.";

/// Measure Boxroom on real servers
#[derive(Debug, Parser)]
#[command(name = "bench", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Run all measured scenarios
    All(plan::Options),
    /// Deliver messages to the members of rooms
    Deliver(plan::Options),
    /// Append events by posts, to many boxes and to one, and after a restart
    Append(plan::Options),
    /// Post and read while the push provider works, and while it hangs
    Pushes(plan::Options),
    /// Read messages and rooms, beside the same statements without a service
    Read(plan::Options),
    /// Hold many connections, and observe an installation without clients
    Idle(plan::Options),
    /// Read the own writes while others post
    Lag(plan::Options),
    /// Reconnect many clients that have missed events
    Replay(plan::Options),
    /// Build a read model from the log, and compare with a bare copy of its rows
    Rebuild(rebuild::Options),
    /// Search messages as a member of few and of many rooms
    Search(search::Options),
    /// Serve as the minimal broadcaster that deliveries are compared with
    #[command(hide = true)]
    Broadcaster(peers::broadcaster::Options),
}

/// The same allocator as in the services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().scenario {
        Scenario::All(options) => Box::pin(measure::run(&Measured::ALL, &options)).await,
        Scenario::Deliver(options) => Box::pin(measure::run(&[Measured::Deliver], &options)).await,
        Scenario::Append(options) => Box::pin(measure::run(&[Measured::Append], &options)).await,
        Scenario::Pushes(options) => Box::pin(measure::run(&[Measured::Pushes], &options)).await,
        Scenario::Read(options) => Box::pin(measure::run(&[Measured::Read], &options)).await,
        Scenario::Idle(options) => Box::pin(measure::run(&[Measured::Idle], &options)).await,
        Scenario::Lag(options) => Box::pin(measure::run(&[Measured::Lag], &options)).await,
        Scenario::Replay(options) => Box::pin(measure::run(&[Measured::Replay], &options)).await,
        Scenario::Rebuild(options) => Box::pin(rebuild::run(&options)).await,
        Scenario::Search(options) => Box::pin(search::run(&options)).await,
        Scenario::Broadcaster(options) => peers::broadcaster::serve(&options).await.map(|()| String::new()),
    };
    match result.and_then(|text| Ok(writeln!(io::stdout(), "{text}")?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
