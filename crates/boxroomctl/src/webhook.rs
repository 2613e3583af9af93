//! `boxroomctl webhook`: register webhooks, show, pause and remove them, and repeat events.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use domain::BoxId;
use operator_protocol::{
    AddWebhook, ListWebhooks, PauseWebhook, RemoveWebhook, ReplayWebhook, ResumeWebhook, ShowWebhook, ShownWebhook,
    Webhook, WebhookCounts,
};

use crate::{
    arguments::{OperatorArgs, help},
    ask::send_request,
    console,
    failure::Failure,
};

/// Commands for webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Register an address that gets the events of boxes from now on
    #[command(after_help = EXAMPLES)]
    Add(AddArgs),
    /// List all webhooks
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Show a webhook: its events by state, the last failure and its positions
    #[command(after_help = EXAMPLES)]
    Show(WebhookArgs),
    /// Pause a webhook: its events wait
    #[command(after_help = EXAMPLES)]
    Pause(WebhookArgs),
    /// Resume a webhook with the events since its pause
    #[command(after_help = EXAMPLES)]
    Resume(WebhookArgs),
    /// Remove a webhook with its events
    #[command(after_help = EXAMPLES)]
    Remove(RemoveArgs),
    /// Repeat the events of one stream from a position to the present, with the same ids
    #[command(after_help = EXAMPLES)]
    Replay(ReplayArgs),
}

/// Arguments of `webhook add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    /// Address, https://…
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// Types of events, separated by commas; `*` for all
    #[arg(long, value_name = "TYPES", value_delimiter = ',', required = true)]
    pub(crate) types: Vec<String>,
    /// Only this box
    #[arg(long = "box", value_name = "BOX")]
    pub(crate) box_id: Option<BoxId>,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `webhook list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of the commands for one webhook.
#[derive(Debug, Clone, Args)]
pub(crate) struct WebhookArgs {
    /// Webhook
    #[arg(value_name = "ID")]
    pub(crate) webhook_id: String,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `webhook remove`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoveArgs {
    /// Webhook
    #[arg(value_name = "ID")]
    pub(crate) webhook_id: String,
    /// Skip the confirmation; required without a terminal
    #[arg(long)]
    pub(crate) yes: bool,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `webhook replay`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArgs {
    /// Webhook
    #[arg(value_name = "ID")]
    pub(crate) webhook_id: String,
    /// Position of the first event: the id of an event, or the value of an `Event-Position` header
    #[arg(long, value_name = "POSITION")]
    pub(crate) from_position: String,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

impl WebhookCommand {
    /// The connection and output options.
    pub(crate) fn operator(&self) -> &OperatorArgs {
        match self {
            Self::Add(args) => &args.operator,
            Self::List(args) => &args.operator,
            Self::Show(args) | Self::Pause(args) | Self::Resume(args) => &args.operator,
            Self::Remove(args) => &args.operator,
            Self::Replay(args) => &args.operator,
        }
    }
}

/// The final section of the help of all these commands.
pub(crate) const EXAMPLES: &str = help!(
    "  boxroomctl webhook add --url https://shop.example/events --types order_arrived,room_closed
  boxroomctl webhook list
  boxroomctl webhook show wh-0193a7c0
  boxroomctl webhook pause wh-0193a7c0
  boxroomctl webhook resume wh-0193a7c0
  boxroomctl webhook remove wh-0193a7c0 --yes
  boxroomctl webhook replay wh-0193a7c0 --from-position box-2.4f2a.42"
);

pub(crate) async fn execute(command: WebhookCommand) -> Result<(), Failure> {
    match command {
        WebhookCommand::Add(args) => add(args).await,
        WebhookCommand::List(args) => list(&args).await,
        WebhookCommand::Show(args) => show(args).await,
        WebhookCommand::Pause(args) => pause(args).await,
        WebhookCommand::Resume(args) => resume(args).await,
        WebhookCommand::Remove(args) => remove(args).await,
        WebhookCommand::Replay(args) => replay(args).await,
    }
}

async fn add(args: AddArgs) -> Result<(), Failure> {
    let AddArgs { url, types, box_id, operator } = args;
    let added = send_request(&operator, &AddWebhook { url, types, box_id }).await?;
    let text = format!("{}\n  secret, shown only once: {}", line(&added.webhook), added.secret);
    console::result(operator.json, &added, &text)
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let webhooks = send_request(&args.operator, &ListWebhooks { after: after.clone() }).await?;
        if webhooks.is_empty() && after.is_none() && !args.operator.json {
            return console::line("there are no webhooks");
        }
        for webhook in &webhooks {
            console::result(args.operator.json, webhook, &line(webhook))?;
        }
        match webhooks.into_iter().next_back() {
            Some(last) => after = Some(last.webhook_id),
            None => return Ok(()),
        }
    }
}

async fn show(args: WebhookArgs) -> Result<(), Failure> {
    let shown = send_request(&args.operator, &ShowWebhook { webhook_id: args.webhook_id }).await?;
    console::result(args.operator.json, &shown, &described(&shown))
}

async fn pause(args: WebhookArgs) -> Result<(), Failure> {
    let webhook = send_request(&args.operator, &PauseWebhook { webhook_id: args.webhook_id }).await?;
    console::result(args.operator.json, &webhook, &line(&webhook))
}

async fn resume(args: WebhookArgs) -> Result<(), Failure> {
    let webhook = send_request(&args.operator, &ResumeWebhook { webhook_id: args.webhook_id }).await?;
    console::result(args.operator.json, &webhook, &line(&webhook))
}

async fn remove(args: RemoveArgs) -> Result<(), Failure> {
    let RemoveArgs { webhook_id, yes, operator } = args;
    console::confirm(&format!("Remove {webhook_id} with its waiting events?"), yes)?;
    let removed = send_request(&operator, &RemoveWebhook { webhook_id }).await?;
    console::result(operator.json, &removed, &format!("{} removed", removed.webhook_id))
}

async fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let ReplayArgs { webhook_id, from_position, operator } = args;
    let progress = send_request(&operator, &ReplayWebhook { webhook_id, from: from_position }).await?;
    let until = progress.replay_until.unwrap_or_default();
    let text = format!("replaying {} after {} up to {until}", progress.stream, progress.position);
    console::result(operator.json, &progress, &text)
}

fn line(webhook: &Webhook) -> String {
    let state = match (&webhook.paused_at, &webhook.paused_by) {
        (Some(since), by) => {
            format!("paused by {} since {}", by.as_deref().unwrap_or("operator"), format_time(*since))
        }
        (None, _) => "active".to_owned(),
    };
    let of_box = webhook.box_id.as_ref().map(|box_id| format!("  box {box_id}")).unwrap_or_default();
    format!("{}  {state}  {}{of_box}  {}", webhook.webhook_id, webhook.types.join(","), webhook.url)
}

fn described(shown: &ShownWebhook) -> String {
    let mut text = vec![line(&shown.webhook), format!("  events: {}", counted(shown.live))];
    if shown.replayed != WebhookCounts::default() {
        text.push(format!("  replayed: {}", counted(shown.replayed)));
    }
    text.extend(shown.next_attempt_at.map(|at| format!("  next attempt: {}", format_time(at))));
    if let Some(failure) = &shown.webhook.last_failure {
        text.push(format!("  last failure: {} at {}: {}", failure.event_id, format_time(failure.at), failure.reason));
    }
    text.extend(shown.progress.iter().map(|progress| {
        let stopped = progress.problem.as_ref().map(|problem| format!("  stopped: {problem}")).unwrap_or_default();
        match progress.replay_until {
            Some(until) => format!("  replay: {} up to {until}{stopped}", progress.position),
            None => format!("  position: {}{stopped}", progress.position),
        }
    }));
    text.join("\n")
}

fn counted(counts: WebhookCounts) -> String {
    let WebhookCounts { waiting, sending, done, dead } = counts;
    format!("{waiting} waiting, {sending} sending, {done} done, {dead} dead")
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
