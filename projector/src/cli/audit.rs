//! `projector audit`.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use domain::{BoxId, UserId};
use event_store::ActorRole;

use super::{Failure, arguments::OperatorArgs, console};
use crate::operator::{
    Operator,
    audit::{Audit, Entry},
};

/// Arguments of `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Id of the actor: a user or an operator unless --role says otherwise
    #[arg(long, value_name = "USER")]
    pub user: Option<UserId>,
    /// Role of the actor: user, operator, device or system
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Option<ActorRole>,
    /// In which box
    #[arg(long = "box", value_name = "BOX")]
    pub box_id: Option<BoxId>,
    /// Since when, like `2026-11-22T08:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub since: Option<DateTime<Utc>>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    pub until: Option<DateTime<Utc>>,
    /// The most commands to show
    #[arg(long, default_value_t = 1_000, value_name = "COMMANDS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

fn role(name: &str) -> Result<ActorRole, String> {
    ActorRole::parse(name).ok_or_else(|| format!("{name} is no role: user, operator, device or system"))
}

pub(super) async fn audit(args: AuditArgs) -> Result<(), Failure> {
    let operator = Operator::connect(&args.operator.operator_url).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let AuditArgs { user, role, box_id, since, until, .. } = args;
    let mut request = Audit { actor: user, role, box_id, since, until, after: None };
    let mut entries = Vec::new();
    loop {
        let page = operator.ask(&request).await?;
        entries.extend(page.entries);
        request.after = page.next;
        if request.after.is_none() || entries.len() > limit {
            break;
        }
    }
    if entries.len() > limit {
        entries.truncate(limit);
        let text = "there is more than this, and not all streams were looked at: narrow it, or raise --limit";
        console::say(args.operator.json, text);
    }
    // Each stream is in its order; in between the clocks of the command-services decide.
    entries.sort_by_key(|entry| entry.at);
    for entry in &entries {
        console::result(&args.operator, entry, &describe(entry))?;
    }
    Ok(())
}

fn describe(entry: &Entry) -> String {
    let Entry { at, actor, role, subject, events, command_id, stream, sequence } = entry;
    let at = at.map_or_else(|| "?".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
    let actor = role.map_or_else(|| actor.clone(), |role| format!("{} {actor}", role.as_str()));
    let command = command_id.as_deref().map(|id| format!(" as {id}")).unwrap_or_default();
    format!("{at}  {actor:<24} {subject:<24} {} ({stream} {sequence}{command})", events.join(", "))
}
