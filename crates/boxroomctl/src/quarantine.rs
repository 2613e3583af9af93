//! `boxroomctl quarantine`: list and show quarantined boxes, retry them, drop events.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use domain::{BoxId, EventSequence};
use operator_protocol::{FailedEvent, ListQuarantined, QuarantinedBox, RetryQuarantined, ShowQuarantined};
use serde_json::json;

use crate::{
    arguments::{OperatorArgs, help},
    ask::send_request,
    console,
    drop_event::{DropEventError, send_drop_event},
    failure::Failure,
};

/// Commands for quarantined boxes.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List all quarantined boxes
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Show a quarantined box and the event that failed
    #[command(after_help = EXAMPLES)]
    Show(ShowArgs),
    /// Retry after an upgrade to a release that understands the event
    #[command(after_help = EXAMPLES)]
    Retry(RetryArgs),
    /// Drop an event for good: the box continues without it in every read model
    #[command(after_help = EXAMPLES)]
    Drop(DropArgs),
}

/// Arguments of `quarantine list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `quarantine show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// The box
    #[arg(value_name = "BOX")]
    pub(crate) box_id: BoxId,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `quarantine retry`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RetryArgs {
    /// The box
    #[arg(value_name = "BOX", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) box_id: Option<BoxId>,
    /// Retry every quarantined box
    #[arg(long)]
    pub(crate) all: bool,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `quarantine drop`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DropArgs {
    /// The box
    #[arg(value_name = "BOX")]
    pub(crate) box_id: BoxId,
    /// Sequence of the event in the log, as `list` shows it
    pub(crate) sequence: EventSequence,
    /// Reason, recorded in the log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Confirm; a drop cannot be undone
    #[arg(long, required = true)]
    pub(crate) yes: bool,
    /// An operator's access token
    #[arg(long, env = "BOXROOM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: String,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

impl QuarantineCommand {
    /// The connection and output options.
    pub(crate) fn operator(&self) -> &OperatorArgs {
        match self {
            Self::List(args) => &args.operator,
            Self::Show(args) => &args.operator,
            Self::Retry(args) => &args.operator,
            Self::Drop(args) => &args.operator,
        }
    }
}

/// The final section of the help of all these commands.
pub(crate) const EXAMPLES: &str = help!(
    "  boxroomctl quarantine list
  boxroomctl quarantine show locker-7
  boxroomctl quarantine retry --all
  boxroomctl quarantine drop locker-7 4711 --reason 'written by a release that was taken back' --yes"
);

pub(crate) async fn execute(command: QuarantineCommand) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List(args) => list(&args).await,
        QuarantineCommand::Show(args) => show(args).await,
        QuarantineCommand::Retry(args) => retry(args).await,
        QuarantineCommand::Drop(args) => drop_event(args).await,
    }
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let quarantined = send_request(&args.operator, &ListQuarantined {}).await?;
    let json = args.operator.json;
    if quarantined.boxes.is_empty() && !json {
        return console::line("no box is in quarantine");
    }
    for quarantined in &quarantined.boxes {
        console::result(args.operator.json, quarantined, &line(quarantined))?;
    }
    if quarantined.more > 0 {
        console::print_note(json, &format!("and {} more", quarantined.more));
    }
    Ok(())
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    let shown = send_request(&args.operator, &ShowQuarantined { box_id: args.box_id }).await?;
    for shown in &shown {
        let event = shown.event.as_ref().map_or_else(|| "  the log does not hold the event".to_owned(), described);
        console::result(args.operator.json, shown, &format!("{}\n{event}", line(&shown.quarantined)))?;
    }
    Ok(())
}

async fn retry(args: RetryArgs) -> Result<(), Failure> {
    let retried = send_request(&args.operator, &RetryQuarantined { box_id: args.box_id }).await?;
    let mut text: Vec<String> = retried.released.iter().map(|box_id| format!("{box_id} released")).collect();
    text.extend(retried.quarantined.iter().map(|quarantined| format!("still in quarantine: {}", line(quarantined))));
    let text = if text.is_empty() { "no box is in quarantine".to_owned() } else { text.join("\n") };
    console::result(args.operator.json, &retried, &text)?;
    match retried.quarantined.len() {
        0 => Ok(()),
        quarantined => Err(Failure::Failed(format!("{quarantined} boxes still in quarantine"))),
    }
}

async fn drop_event(args: DropArgs) -> Result<(), Failure> {
    let DropArgs { box_id, sequence, reason, token, operator, .. } = args;
    let dropped = send_drop_event(&operator.operator_url, &token, &box_id, sequence, &reason).await;
    let id = dropped.map_err(|error| match error {
        DropEventError::Connection(error) => error.into(),
        DropEventError::NoAnswer => Failure::NoAnswer(error.to_string()),
        DropEventError::Refused(reason) => Failure::Refused(reason),
        DropEventError::Failed(reason) => Failure::Failed(reason),
    })?;
    console::result(operator.json, &json!({ "id": id }), &format!("{box_id}: event {sequence} dropped by event {id}"))
}

fn line(quarantined: &QuarantinedBox) -> String {
    let generations: Vec<String> = quarantined.generations.iter().map(|generation| format!("g{generation}")).collect();
    format!(
        "{}  at {} {} of {}  {} waiting in {}  {}",
        quarantined.box_id,
        quarantined.stream,
        quarantined.sequence,
        format_time(quarantined.since),
        quarantined.waiting,
        generations.join(", "),
        quarantined.reason
    )
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn described(event: &FailedEvent) -> String {
    let versions: Vec<String> = event.versions.iter().map(ToString::to_string).collect();
    format!(
        "  event {}: {} version {}, stored at {}, {} bytes",
        event.sequence,
        event.types.join(", "),
        versions.join(", "),
        format_time(event.stored_at),
        event.bytes
    )
}
