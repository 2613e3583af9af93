//! `boxroomctl invitation`: makes, lists and removes invitations to register.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use async_nats::connection::State;
use chrono::{SecondsFormat, TimeDelta};
use clap::{Args, Subcommand};
use credentials::{
    Invitation, Invitations,
    invitations::{MAX_USES, invitation_id},
};
use service_kit::{
    clock,
    nats::{self, NatsArgs},
    time_span,
};
use storage::JetStream;
use tokio::time::{Duration, Instant, sleep};
use wire::{subject::hex, trust::INVITATION_DAYS};

/// The longest wait for the connection to the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands about invitations to register.
#[derive(Debug, Subcommand)]
pub(crate) enum InvitationCommand {
    /// Make an invitation, and print its token
    #[command(after_help = EXAMPLES)]
    Create(CreateInvitation),
    /// List the invitations, the newest first
    #[command(after_help = EXAMPLES)]
    List(ListInvitations),
    /// Remove an invitation; users who have registered with it stay
    #[command(after_help = EXAMPLES)]
    Remove(RemoveInvitation),
}

/// The invitation to make.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateInvitation {
    /// The NATS server.
    #[command(flatten)]
    nats: NatsArgs,

    /// Users who may register with it, 1 to 100
    #[arg(
        long,
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_USES)),
        value_name = "USERS"
    )]
    uses: u32,

    /// Time until it expires, at most 90 days
    #[arg(long, default_value = "7d", value_parser = lifetime, value_name = "TIME")]
    expires: TimeDelta,
}

/// The invitations to list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListInvitations {
    /// The NATS server.
    #[command(flatten)]
    nats: NatsArgs,
}

/// The invitation to remove.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoveInvitation {
    /// The NATS server.
    #[command(flatten)]
    nats: NatsArgs,

    /// Id of the invitation, as `list` shows it
    #[arg(value_name = "INVITATION", value_parser = id)]
    id: String,
}

/// The final section of `--help`.
pub(crate) const EXAMPLES: &str = "\
A token is shown once. The id of an invitation does not reveal it.

Examples:
  boxroomctl invitation create
  boxroomctl invitation create --uses 20 --expires 30d
  boxroomctl invitation list
  boxroomctl invitation remove 5f0c3a9f4f7f7b1f6a5f2c0f9f1d2e3c

Exit codes: 0 done, 1 failed, 2 invalid arguments";

/// Parses a time span of at most the time for which invitations are stored.
fn lifetime(text: &str) -> Result<TimeDelta, String> {
    let span = time_span::parse(text)?;
    if span <= TimeDelta::days(INVITATION_DAYS) { Ok(span) } else { Err(format!("{text} is longer than 90 days")) }
}

fn id(text: &str) -> Result<String, String> {
    let is_id = text.len() == invitation_id("").len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(text.to_owned()) } else { Err(format!("{text} is not the id of an invitation")) }
}

/// Executes the command.
pub(crate) async fn execute(command: InvitationCommand) -> Result<()> {
    match command {
        InvitationCommand::Create(CreateInvitation { nats, uses, expires }) => {
            let token = hex(&rand::random::<[u8; 20]>());
            let now = clock::now();
            let invitation = Invitation { uses, expires_at: now + expires, created_at: now, redeemed_by: vec![] };
            let created = connect(&nats).await?.create(&token, &invitation).await;
            created.context("the invitation was not stored")?;
            writeln!(io::stdout(), "{token}")?;
        }
        InvitationCommand::List(ListInvitations { nats }) => {
            let found = connect(&nats).await?.all().await.context("the invitations cannot be read")?;
            for (id, invitation) in found {
                let expires_at = invitation.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
                let state = if clock::now() < invitation.expires_at { "expires" } else { "expired" };
                let redeemed_by: Vec<_> = invitation.redeemed_by.iter().map(ToString::to_string).collect();
                let (left, uses) = (invitation.uses_left(), invitation.uses);
                writeln!(io::stdout(), "{id}  {left} of {uses} left  {state} {expires_at}  {}", redeemed_by.join(" "))?;
            }
        }
        InvitationCommand::Remove(RemoveInvitation { nats, id }) => {
            if !connect(&nats).await?.remove(&id).await.context("the invitation was not removed")? {
                bail!("there is no invitation {id}");
            }
            writeln!(io::stdout(), "{id} is removed")?;
        }
    }
    Ok(())
}

async fn connect(nats: &NatsArgs) -> Result<Invitations> {
    let client = nats::connect(&nats.nats_url, "boxroomctl").await?;
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    while client.connection_state() != State::Connected && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(Invitations::new(JetStream::new(client)))
}
