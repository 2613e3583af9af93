//! `projector quarantine`: what is parked, another try, and giving up.

use std::{io::Write, process::ExitCode};

use clap::{Args, Subcommand};
use domain::{BoxId, EventSequence};
use event_store::JetStreamLog;
use serde::Serialize;
use serde_json::json;
use service_kit::{args::NatsArgs, nats};

use super::{
    BadEvent, ParkedBox, RetryError, bad_event,
    give_up::{GiveUpError, give_up},
    list, of_box, retry,
};
use crate::{database::Database, settings::DatabaseArgs};

/// What can be done about parked boxes.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Every parked box
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// One parked box, and the event at which it is parked
    #[command(after_help = EXAMPLES)]
    Show(ShowArgs),
    /// Try again, after an upgrade to a release that understands the event
    #[command(after_help = EXAMPLES)]
    Retry(RetryArgs),
    /// Give up an event for good: the box goes on without it, in every read model
    #[command(after_help = EXAMPLES)]
    Drop(DropArgs),
}

/// Arguments of `quarantine list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// The read models
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quarantine show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// The box
    #[arg(value_name = "BOX")]
    pub box_id: BoxId,
    /// The read models
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The log
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quarantine retry`.
#[derive(Debug, Clone, Args)]
pub struct RetryArgs {
    /// The box
    #[arg(value_name = "BOX", required_unless_present = "all", conflicts_with = "all")]
    pub box_id: Option<BoxId>,
    /// Every parked box
    #[arg(long)]
    pub all: bool,
    /// The read models
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quarantine drop`.
#[derive(Debug, Clone, Args)]
pub struct DropArgs {
    /// The box
    #[arg(value_name = "BOX")]
    pub box_id: BoxId,
    /// The event's sequence in the log, as `list` shows it
    pub sequence: EventSequence,
    /// Why, for those who read the log later
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Yes, give it up; it cannot be taken back
    #[arg(long)]
    pub yes: bool,
    /// The NATS server, as a user that may give commands: `nats://operator:password@host:port`
    #[arg(long, env = "BOXROOM_OPERATOR_URL", hide_env_values = true, value_name = "URL")]
    pub operator_url: String,
    /// An operator's access token
    #[arg(long, env = "BOXROOM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `--help` ends with.
const EXAMPLES: &str = "\
Examples:
  projector quarantine list
  projector quarantine show locker-7
  projector quarantine retry --all
  projector quarantine drop locker-7 4711 --reason 'written by a release that was taken back' --yes

Exit codes: 0 done, 1 failed or still parked, 2 not understood, 3 refused: the state of things does not allow it,
5 nobody answers";

/// Does what is asked for, tells of it on standard output, and says how to end.
pub async fn act(command: QuarantineCommand) -> ExitCode {
    let result = match command {
        QuarantineCommand::List(args) => show_all(&args).await,
        QuarantineCommand::Show(args) => show(&args).await,
        QuarantineCommand::Retry(args) => try_again(&args).await,
        QuarantineCommand::Drop(args) => drop_event(&args).await,
    };
    match result {
        Ok(code) => code,
        Err(Failure { code, reason }) => {
            // Nobody may be listening.
            let _ = writeln!(std::io::stderr(), "error: {reason}");
            ExitCode::from(code)
        }
    }
}

struct Failure {
    code: u8,
    reason: String,
}

impl Failure {
    fn of(error: &impl std::fmt::Display) -> Self {
        Self { code: 1, reason: error.to_string() }
    }
}

fn tell(json: bool, value: &impl Serialize, text: &str) -> Result<(), Failure> {
    let text = if json { serde_json::to_string(value).map_err(|error| Failure::of(&error))? } else { text.to_owned() };
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::of(&error))
}

fn database(args: &DatabaseArgs) -> Result<Database, Failure> {
    Database::new(&args.database_url, "projector-quarantine").map_err(|error| Failure::of(&error))
}

fn line(parked: &ParkedBox) -> String {
    let generations: Vec<String> = parked.generations.iter().map(|generation| format!("g{generation}")).collect();
    format!(
        "{}  at {} {} of {}  {} waiting in {}  {}",
        parked.box_id,
        parked.stream,
        parked.sequence,
        parked.since.to_rfc3339(),
        parked.waiting,
        generations.join(", "),
        parked.reason
    )
}

fn lines(parked: &[ParkedBox]) -> String {
    parked.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn show_all(args: &ListArgs) -> Result<ExitCode, Failure> {
    let parked = list(&database(&args.database)?).await.map_err(|error| Failure::of(&error))?;
    let text = if parked.is_empty() { "no box is parked".to_owned() } else { lines(&parked) };
    tell(args.json, &parked, &text)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let parked = of_box(&database(&args.database)?, &args.box_id).await.map_err(|error| Failure::of(&error))?;
    if parked.is_empty() {
        return Err(Failure { code: 3, reason: format!("the box {} is not parked", args.box_id) });
    }
    let client = nats::connect(&args.nats.nats_url, "projector-quarantine").await;
    let log = JetStreamLog::new(client.map_err(|error| Failure::of(&error))?);
    let mut shown = Vec::new();
    let mut text = Vec::new();
    for parked in &parked {
        let event = bad_event(&log, parked).await.map_err(|error| Failure::of(&error))?;
        text.push(line(parked));
        text.push(event.as_ref().map_or_else(|| "  the log does not hold the event".to_owned(), described));
        shown.push(json!({ "parked": parked, "event": event }));
    }
    tell(args.json, &shown, &text.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn described(event: &BadEvent) -> String {
    let versions: Vec<String> = event.versions.iter().map(ToString::to_string).collect();
    format!(
        "  event {}: {} version {}, stored at {}, {} bytes",
        event.sequence,
        event.types.join(", "),
        versions.join(", "),
        event.stored_at.to_rfc3339(),
        event.bytes
    )
}

async fn try_again(args: &RetryArgs) -> Result<ExitCode, Failure> {
    let retried = retry(&database(&args.database)?, args.box_id.as_ref()).await.map_err(|error| match &error {
        RetryError::NotParked(_) => Failure { code: 3, reason: error.to_string() },
        RetryError::NoAnswer(_) => Failure { code: 5, reason: error.to_string() },
        RetryError::Database(_) => Failure::of(&error),
    })?;
    let mut text: Vec<String> = retried.released.iter().map(|box_id| format!("{box_id} goes on")).collect();
    text.extend(retried.parked.iter().map(|parked| format!("still parked: {}", line(parked))));
    let text = if text.is_empty() { "no box is parked".to_owned() } else { text.join("\n") };
    tell(args.json, &retried, &text)?;
    Ok(if retried.parked.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn drop_event(args: &DropArgs) -> Result<ExitCode, Failure> {
    let DropArgs { box_id, sequence, reason, operator_url, token, .. } = args;
    if !args.yes {
        let reason = "giving up an event cannot be taken back: say --yes if it is meant".to_owned();
        return Err(Failure { code: 2, reason });
    }
    let id = give_up(operator_url, token, box_id, *sequence, reason).await.map_err(|error| match &error {
        GiveUpError::NoAnswer => Failure { code: 5, reason: error.to_string() },
        GiveUpError::Refused(_) => Failure { code: 3, reason: error.to_string() },
        GiveUpError::Failed(_) => Failure::of(&error),
    })?;
    tell(args.json, &json!({ "id": id }), &format!("{box_id}: {sequence} is given up, by event {id}"))?;
    Ok(ExitCode::SUCCESS)
}
