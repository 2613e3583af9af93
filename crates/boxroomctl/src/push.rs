//! `boxroomctl push`: list and show push messages that were given up, retry and drop them, and print the public key of
//! Web Push.

use std::{fs, path::PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use operator_protocol::{DeadPush, DropDeadPush, ListDeadPushes, RetryDeadPush, ShowDeadPush};
use push::VapidKey;

use crate::{
    arguments::{OperatorArgs, help},
    ask::send_request,
    console,
    failure::Failure,
};

/// Commands for push messages.
#[derive(Debug, Subcommand)]
pub(crate) enum PushCommand {
    /// Manage push messages that were given up
    #[command(subcommand, after_help = EXAMPLES)]
    Dead(DeadCommand),
    /// Print the public key of Web Push, for `BOXROOM_PAGE_WEB_PUSH_KEY` of query-services
    #[command(after_help = EXAMPLES)]
    PublicKey(PublicKeyArgs),
}

/// Arguments of `push public-key`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PublicKeyArgs {
    /// Key file of the notifiers for Web Push (PEM or base64url)
    #[arg(long, env = "BOXROOM_VAPID_KEY_FILE", value_name = "FILE")]
    vapid_key_file: PathBuf,
}

/// Commands for push messages that were given up.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List the newest of them, without texts and tokens
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Show one of them
    #[command(after_help = EXAMPLES)]
    Show(DeadArgs),
    /// Try again to send one of them
    #[command(after_help = EXAMPLES)]
    Retry(DeadArgs),
    /// Drop one of them
    #[command(after_help = EXAMPLES)]
    Drop(DeadArgs),
}

/// Arguments of `push dead list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of the commands for one push message.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeadArgs {
    /// Push message
    #[arg(value_name = "ID")]
    pub(crate) push_id: String,
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

impl PushCommand {
    /// Returns true if the output is JSON.
    pub(crate) fn prints_json(&self) -> bool {
        match self {
            Self::Dead(DeadCommand::List(args)) => args.operator.json,
            Self::Dead(DeadCommand::Show(args) | DeadCommand::Retry(args) | DeadCommand::Drop(args)) => {
                args.operator.json
            }
            Self::PublicKey(_) => false,
        }
    }
}

/// The final section of the help of all these commands.
pub(crate) const EXAMPLES: &str = help!(
    "  boxroomctl push dead list
  boxroomctl push dead retry 0193a7c0-5c1e-7000-8000-000000000001
  boxroomctl push dead list --json | jq -r .push_id | xargs -n1 boxroomctl push dead retry
  boxroomctl push dead show 0193a7c0-5c1e-7000-8000-000000000001
  boxroomctl push dead drop 0193a7c0-5c1e-7000-8000-000000000001
  boxroomctl push public-key --vapid-key-file vapid.pem"
);

pub(crate) async fn execute(command: PushCommand) -> Result<(), Failure> {
    match command {
        PushCommand::Dead(DeadCommand::List(args)) => list(&args).await,
        PushCommand::Dead(DeadCommand::Show(args)) => show(args).await,
        PushCommand::Dead(DeadCommand::Retry(args)) => retry(args).await,
        PushCommand::Dead(DeadCommand::Drop(args)) => drop_push(args).await,
        PushCommand::PublicKey(args) => console::line(&public_key(&args)?),
    }
}

/// Reads the private key of Web Push and returns its public key in base64url.
fn public_key(args: &PublicKeyArgs) -> Result<String, Failure> {
    let file = args.vapid_key_file.display();
    let text = fs::read_to_string(&args.vapid_key_file)
        .map_err(|error| Failure::Failed(format!("cannot read {file}: {error}")))?;
    let key = VapidKey::from_text(&text).map_err(|error| Failure::Failed(format!("{file}: {error}")))?;
    Ok(key.public_key().to_owned())
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let dead = send_request(&args.operator, &ListDeadPushes {}).await?;
    let json = args.operator.json;
    if dead.pushes.is_empty() && !json {
        return console::line("no push message is dead");
    }
    for push in &dead.pushes {
        console::result(json, push, &line(push))?;
    }
    if dead.more > 0 {
        console::print_note(json, &format!("and {} more", dead.more));
    }
    Ok(())
}

async fn show(args: DeadArgs) -> Result<(), Failure> {
    let push = send_request(&args.operator, &ShowDeadPush { push_id: args.push_id }).await?;
    let text = format!(
        "{}\n  {} alarms, the last one {}, in {} attempts since {}",
        line(&push),
        push.alarms,
        push.kind,
        push.attempts,
        format_time(push.created_at)
    );
    console::result(args.operator.json, &push, &text)
}

async fn retry(args: DeadArgs) -> Result<(), Failure> {
    let push = send_request(&args.operator, &RetryDeadPush { push_id: args.push_id }).await?;
    console::result(args.operator.json, &push, &format!("{} is sent again", push.push_id))
}

async fn drop_push(args: DeadArgs) -> Result<(), Failure> {
    let dropped = send_request(&args.operator, &DropDeadPush { push_id: args.push_id }).await?;
    console::result(args.operator.json, &dropped, &format!("{} dropped", dropped.push_id))
}

fn line(push: &DeadPush) -> String {
    format!(
        "{}  dead since {}  {}  user {}  device {}  room {}  {}",
        push.push_id,
        format_time(push.dead_since),
        push.provider,
        push.user_id,
        push.device_id,
        push.room_id,
        push.reason
    )
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_that_of_the_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let vapid_key_file = folder.path().join("vapid");
        let args = PublicKeyArgs { vapid_key_file: vapid_key_file.clone() };
        assert!(public_key(&args).unwrap_err().to_string().contains("cannot read"));
        fs::write(&vapid_key_file, "not a key").unwrap();
        assert!(public_key(&args).unwrap_err().to_string().contains("is not a P-256 key"));
        fs::write(&vapid_key_file, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94\n").unwrap();
        let public = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        assert_eq!(public_key(&args).unwrap(), public);
    }
}
