//! `boxroomctl verify`: selects the generations and prints the result.

use std::{fmt::Display, io::Write, process::ExitCode};

use clap::Args;
use projector::{
    Database,
    database::DatabaseArgs,
    log,
    verify::{Limits, Verification, VerifyError, choose, clean_up, verify, verify_fresh},
};
use service_kit::{
    master_key::MasterKeyArgs,
    nats::{self, NatsArgs},
    telemetry::{self, LogArgs, LogFormat, TraceArgs},
};

use crate::{arguments::Priority, console::exit_code_of, failure::Failure};

/// Arguments of `boxroomctl verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// Generation to compare; the active one of this build by default
    #[arg(value_name = "GENERATION")]
    pub(crate) generation: Option<i32>,

    /// Generation to compare with; the newest other one of this build by default
    #[arg(value_name = "OTHER")]
    pub(crate) other: Option<i32>,

    /// Compare with a temporary projection of the whole log, dropped afterwards
    #[arg(long, conflicts_with = "other")]
    pub(crate) fresh: bool,

    /// Maximum rate of comparing in rows per second, and of the projection for `--fresh` in events per second
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_rate: Option<u32>,

    /// Priority of the projection for `--fresh` relative to the generations that serve reads
    #[arg(long, value_enum, default_value_t = Priority::Low)]
    pub(crate) priority: Priority,

    /// Show user content, names and tokens; otherwise only the names of differing columns
    #[arg(long)]
    pub(crate) values: bool,

    /// Number of differences to show; all are counted
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) show: u16,

    /// Print JSON; errors too, on standard error
    #[arg(long)]
    pub(crate) json: bool,

    /// NATS
    #[command(flatten)]
    pub(crate) nats: NatsArgs,

    /// Master keys for personal data in the log
    #[command(flatten)]
    pub(crate) master: MasterKeyArgs,

    /// Read models
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Log filter, for example `info`. By default quarantine is not logged: it is among the compared rows
    #[arg(
        long,
        env = "BOXROOM_LOG",
        default_value = "warn,projector::projection::quarantine=off",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
}

/// The final section of `--help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  boxroomctl verify
  boxroomctl verify 3 4 --max-rate 20000
  boxroomctl verify --fresh --priority normal --values
  boxroomctl verify --fresh --json | jq '.differences'

Exit codes: 0 equal, 1 failed or undecided, 2 invalid arguments, 3 refused: not comparable now, 4 different";

/// Compares, prints the result on standard output, and returns the exit code.
pub(crate) async fn execute(args: VerifyArgs) -> ExitCode {
    let traces = TraceArgs { otlp_endpoint: None, otel_service_name: None };
    let log = LogArgs { filter: args.log.clone(), format: LogFormat::Text, traces };
    let _telemetry = match telemetry::init(&log, "boxroomctl") {
        Ok(telemetry) => telemetry,
        Err(error) => return exit_code_of(Err(Failure::Failed(error.to_string())), args.json),
    };
    match compare(&args).await {
        Ok(found) if args.values => print_result(&found, args.json),
        Ok(found) => print_result(&found.without_values(), args.json),
        Err(failure) => exit_code_of(Err(failure), args.json),
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Refused(reason) => Self::Refused(reason),
            error => Self::Failed(error.to_string()),
        }
    }
}

fn print_result(found: &Verification, json: bool) -> ExitCode {
    let text = if json { serde_json::to_string(found).unwrap_or_default() } else { found.to_string() };
    let printed = writeln!(std::io::stdout(), "{text}");
    match (printed.is_ok(), found.differences, found.undecided.is_empty()) {
        (true, 0, true) => ExitCode::SUCCESS,
        (true, 1.., _) => ExitCode::from(4),
        _ => ExitCode::from(1),
    }
}

async fn compare(args: &VerifyArgs) -> Result<Verification, Failure> {
    let failed = |error: &dyn Display| Failure::Failed(error.to_string());
    let database = Database::new(&args.database.database_url, "boxroomctl-verify").map_err(|error| failed(&error))?;
    let client = nats::connect(&args.nats.nats_url, "boxroomctl-verify").await?;
    let log = log::open(client, &args.nats.nats_url, &args.master).map_err(|error| failed(&error))?;
    let limits =
        Limits { max_rate: args.max_rate, low_priority: args.priority == Priority::Low, shown: args.show.into() };
    let (first, other) = choose(&database, args.generation, args.other, args.fresh).await?;
    if let Some(other) = other {
        return Ok(verify(&database, &log, [first, other], limits).await?);
    }
    tokio::select! {
        found = verify_fresh(&database, &log, first, limits) => Ok(found?),
        _ = tokio::signal::ctrl_c() => {
            clean_up(&database).await?;
            Err(Failure::Failed("interrupted; the temporary projection is dropped".to_owned()))
        }
    }
}
