//! `projector verify`: selects the generations and prints the result.

use std::{fmt::Display, io::Write, process::ExitCode};

use clap::Args;
use service_kit::{
    master_key::MasterKeyArgs,
    nats::{self, NatsArgs},
    telemetry::{self, LogArgs, LogFormat, TraceArgs},
};
use sqlx::query;

use super::{Limits, Verification, VerifyError, fresh::clean_up, verify, verify_fresh};
use crate::{
    cli::{Failure, Priority, ended},
    database::{Database, DatabaseArgs},
    log,
};

/// Arguments of `projector verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Generation to compare; the active one of this build by default
    #[arg(value_name = "GENERATION")]
    pub generation: Option<i32>,

    /// Generation to compare with; the newest other one of this build by default
    #[arg(value_name = "OTHER")]
    pub other: Option<i32>,

    /// Compare with a temporary projection of the whole log, dropped afterwards
    #[arg(long, conflicts_with = "other")]
    pub fresh: bool,

    /// Maximum rate of comparing in rows per second, and of the projection for `--fresh` in events per second
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: Option<u32>,

    /// Priority of the projection for `--fresh` relative to the generations that serve reads
    #[arg(long, value_enum, default_value_t = Priority::Low)]
    pub priority: Priority,

    /// Show user content, names and tokens; otherwise only the names of differing columns
    #[arg(long)]
    pub values: bool,

    /// Number of differences to show; all are counted
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub show: u16,

    /// Print JSON; errors too, on standard error
    #[arg(long)]
    pub json: bool,

    /// NATS
    #[command(flatten)]
    pub nats: NatsArgs,

    /// Master keys for personal data in the log
    #[command(flatten)]
    pub master: MasterKeyArgs,

    /// Read models
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Log filter, for example `info`. By default quarantine is not logged: it is among the compared rows
    #[arg(
        long,
        env = "BOXROOM_LOG",
        default_value = "warn,projector::projection::quarantine=off",
        value_name = "FILTER"
    )]
    pub log: String,
}

/// The final section of `--help`.
pub const EXAMPLES: &str = "\
Examples:
  projector verify
  projector verify 3 4 --max-rate 20000
  projector verify --fresh --priority normal --values
  projector verify --fresh --json | jq '.differences'

Exit codes: 0 equal, 1 failed or undecided, 2 invalid arguments, 3 refused: not comparable now, 4 different";

/// Compares, prints the result on standard output, and returns the exit code.
pub async fn act(args: VerifyArgs) -> ExitCode {
    let traces = TraceArgs { otlp_endpoint: None, otel_service_name: None };
    let log = LogArgs { filter: args.log.clone(), format: LogFormat::Text, traces };
    let _telemetry = match telemetry::init(&log, "projector") {
        Ok(telemetry) => telemetry,
        Err(error) => return ended(Err(Failure::Failed(error.to_string())), args.json),
    };
    match compare(&args).await {
        Ok(found) if args.values => tell(&found, args.json),
        Ok(found) => tell(&found.without_values(), args.json),
        Err(failure) => ended(Err(failure), args.json),
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

fn tell(found: &Verification, json: bool) -> ExitCode {
    let text = if json { serde_json::to_string(found).unwrap_or_default() } else { found.to_string() };
    let told = writeln!(std::io::stdout(), "{text}");
    match (told.is_ok(), found.differences, found.undecided.is_empty()) {
        (true, 0, true) => ExitCode::SUCCESS,
        (true, 1.., _) => ExitCode::from(4),
        _ => ExitCode::from(1),
    }
}

async fn compare(args: &VerifyArgs) -> Result<Verification, Failure> {
    let failed = |error: &dyn Display| Failure::Failed(error.to_string());
    let database = Database::new(&args.database.database_url, "projector-verify").map_err(|error| failed(&error))?;
    let client = nats::connect(&args.nats.nats_url, "projector-verify").await?;
    let log = log::open(client, &args.nats.nats_url, &args.master).map_err(|error| failed(&error))?;
    let limits = Limits { max_rate: args.max_rate, gives_way: args.priority == Priority::Low, shown: args.show.into() };
    let (first, other) = chosen(&database, args).await?;
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

/// Returns the selected generations; no second one for a fresh projection.
async fn chosen(database: &Database, args: &VerifyArgs) -> Result<(i32, Option<i32>), VerifyError> {
    let mut connection = database.control().await?;
    let rows = query!(
        "select generation, state
         from control.generations
         where model_version = $1
           and state <> 'retired'
         order by generation desc",
        read_model::version()
    )
    .fetch_all(&mut connection)
    .await?;
    let active = rows.iter().find(|row| row.state == "active").map(|row| row.generation);
    let refused = |reason: &str| VerifyError::Refused(reason.to_owned());
    let first = args.generation.or(active).ok_or_else(|| refused("no generation of this build is active: name one"))?;
    if args.fresh {
        return Ok((first, None));
    }
    let newest = rows.iter().map(|row| row.generation).find(|generation| *generation != first);
    let other =
        args.other.or(newest).ok_or_else(|| refused("there is no other generation to compare with: use --fresh"))?;
    if other == first {
        return Err(refused("a generation cannot be compared with itself: use --fresh"));
    }
    Ok((first, Some(other)))
}
