//! `boxroomctl audit`.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use domain::{BoxId, UserId};
use event_store::ActorRole;
use operator_protocol::{Audit, Entry, OperatorClient};

use crate::{
    arguments::{OperatorArgs, help},
    console,
    failure::Failure,
};

/// Arguments of `audit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    /// Filter by actor: a user, an operator or a moderator unless --role says otherwise
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<UserId>,
    /// Role of the actor: user, operator, moderator, device or system
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(crate) role: Option<ActorRole>,
    /// Filter by box
    #[arg(long = "box", value_name = "BOX")]
    pub(crate) box_id: Option<BoxId>,
    /// Start time, for example `2026-11-22T08:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// End time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Maximum number of commands to show: the newest ones
    #[arg(
        long,
        default_value_t = 1_000,
        value_name = "COMMANDS",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub(crate) limit: u32,
}

fn role(name: &str) -> Result<ActorRole, String> {
    ActorRole::parse(name).ok_or_else(|| format!("{name} is no role: user, operator, moderator, device or system"))
}

/// The final section of `--help`.
pub(crate) const EXAMPLES: &str = help!(
    "  boxroomctl audit --user ana --since 2026-11-22T08:00:00Z
  boxroomctl audit --box locker-7 --limit 100
  boxroomctl audit --user ops --json | jq -r '[.at, .subject, .events[]] | @tsv'"
);

pub(crate) async fn audit(args: AuditArgs) -> Result<(), Failure> {
    let operator = OperatorClient::connect(&args.operator.operator_url).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let AuditArgs { user, role, box_id, since, until, .. } = args;
    let mut request = Audit { actor: user, role, box_id, since, until, after: None };
    let mut newest = Newest { limit, entries: Vec::new(), omitted: 0 };
    loop {
        let page = operator.send_request(&request).await?;
        newest.add(page.entries);
        request.after = page.next;
        if request.after.is_none() {
            break;
        }
    }
    newest.cut(limit);
    let Newest { entries, omitted, .. } = newest;
    if omitted > 0 {
        let before = entries.first().and_then(|entry| entry.at).map(format_time).unwrap_or_default();
        let text = format!("{omitted} older commands are not shown: give --until {before}, or raise --limit");
        console::print_note(args.operator.json, &text);
    }
    for entry in &entries {
        console::result(args.operator.json, entry, &describe(entry))?;
    }
    Ok(())
}

/// The newest commands found, ordered by time. The order between streams depends on the clocks of the command-services.
struct Newest {
    limit: usize,
    entries: Vec<Entry>,
    omitted: usize,
}

impl Newest {
    /// Adds a page. Keeps at most twice the limit.
    fn add(&mut self, page: Vec<Entry>) {
        self.entries.extend(page);
        if self.entries.len() > 2 * self.limit {
            self.cut(self.limit);
        }
    }

    fn cut(&mut self, limit: usize) {
        self.entries.sort_by_key(|entry| entry.at);
        let older = self.entries.len().saturating_sub(limit);
        self.entries.drain(..older);
        self.omitted += older;
    }
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn describe(entry: &Entry) -> String {
    let Entry { at, actor, role, subject, events, targets, reason, command_id, stream, sequence } = entry;
    let at = at.map_or_else(|| "?".to_owned(), format_time);
    let actor = role.map_or_else(|| actor.clone(), |role| format!("{} {actor}", role.as_str()));
    let command = command_id.as_deref().map(|id| format!(" as {id}")).unwrap_or_default();
    let targets = targets.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    let events: Vec<String> = events
        .iter()
        .zip(targets)
        .map(|(event, target)| target.map_or_else(|| event.clone(), |target| format!("{event} {target}")))
        .collect();
    let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{at}  {actor:<24} {subject:<24} {}{reason} ({stream} {sequence}{command})", events.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: u32) -> Entry {
        Entry {
            at: format!("2026-11-21T12:00:{second:02}Z").parse().ok(),
            actor: "ana".to_owned(),
            role: None,
            subject: "box b1".to_owned(),
            events: vec!["member_kicked".to_owned(), "room_closed".to_owned()],
            targets: vec![Some("ben".to_owned()), None],
            reason: None,
            command_id: None,
            stream: "box-0".to_owned(),
            sequence: second.into(),
        }
    }

    #[test]
    fn the_newest_commands_are_kept_in_any_order_of_reading() {
        let mut newest = Newest { limit: 2, entries: Vec::new(), omitted: 0 };
        for page in [vec![entry(7), entry(9)], vec![entry(1), entry(2), entry(3)], vec![entry(8)]] {
            newest.add(page);
        }
        newest.cut(2);
        let kept: Vec<u64> = newest.entries.iter().map(|entry| entry.sequence).collect();
        assert_eq!((kept, newest.omitted), (vec![8, 9], 4));
    }

    #[test]
    fn a_line_names_the_targets_of_a_command() {
        let line = describe(&entry(1));
        assert!(line.contains("member_kicked ben, room_closed (box-0 1)"), "{line}");
        let reasoned = describe(&Entry { reason: Some("Spam".to_owned()), ..entry(1) });
        assert!(reasoned.contains("room_closed: Spam (box-0 1)"), "{reasoned}");
        let of_an_older_projector = describe(&Entry { targets: Vec::new(), ..entry(1) });
        assert!(of_an_older_projector.contains("member_kicked, room_closed"), "{of_an_older_projector}");
    }
}
