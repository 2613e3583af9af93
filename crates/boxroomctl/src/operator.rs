//! `boxroomctl operator create` and `moderator create`: create operators, including the first one, and moderators.
//! There is no default password.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use async_nats::connection::State;
use clap::{Args, Subcommand};
use credentials::{AccountError, Accounts, Revocations, Sessions};
use domain::UserId;
use service_kit::{
    clock,
    nats::{self, NatsArgs},
};
use sign_in::{
    Hasher, NewAccountPassword,
    sign_out::{self, SessionStores},
};
use storage::JetStream;
use tokio::time::{Instant, sleep};

/// The longest wait for the connection to the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The role of an account. The names are stored; never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountRole {
    Operator,
    Moderator,
}

impl AccountRole {
    fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Moderator => "moderator",
        }
    }

    fn with_article(self) -> &'static str {
        match self {
            Self::Operator => "an operator",
            Self::Moderator => "a moderator",
        }
    }
}

/// Commands about operators.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Create an operator's account, which signs in with `POST /sessions`
    #[command(after_help = EXAMPLES)]
    Create(CreateAccount),
}

/// Commands about moderators.
#[derive(Debug, Subcommand)]
pub(crate) enum ModeratorCommand {
    /// Create a moderator's account, which signs in with `POST /sessions`
    #[command(after_help = MODERATOR_EXAMPLES)]
    Create(CreateAccount),
}

/// The account to create.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateAccount {
    /// The NATS server.
    #[command(flatten)]
    pub(crate) nats: NatsArgs,

    /// Id of the operator or moderator
    #[arg(long, value_name = "USER")]
    pub(crate) user_id: UserId,

    /// File with the password (default: the first line of the standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Replace the password of an existing account and end all their sessions
    #[arg(long)]
    pub(crate) reset_password: bool,
}

/// The final section of `--help`.
pub(crate) const EXAMPLES: &str = "\
The password has 8 to 128 characters and comes from a file or the standard input.

Examples:
  boxroomctl operator create --user-id ops --password-file ops-password
  pwgen 24 1 | tee ops-password | boxroomctl operator create --user-id ops
  boxroomctl operator create --user-id ops --password-file another --reset-password

Exit codes: 0 done or nothing to do, 1 failed, 2 invalid arguments";

/// The final section of the `--help` of `moderator`.
pub(crate) const MODERATOR_EXAMPLES: &str = "\
The password has 8 to 128 characters and comes from a file or the standard input.

Examples:
  boxroomctl moderator create --user-id mia --password-file mia-password
  boxroomctl moderator create --user-id mia --password-file another --reset-password

Exit codes: 0 done or nothing to do, 1 failed, 2 invalid arguments";

/// Creates an account in this role. Leaves an existing one unchanged, unless `reset_password` is set.
pub(crate) async fn create(args: CreateAccount, role: AccountRole) -> Result<()> {
    let CreateAccount { nats, user_id, password_file, reset_password } = args;
    if user_id.is_reserved() {
        bail!("{user_id} is reserved");
    }
    let text = match password_file {
        Some(file) => fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?,
        None => read_password()?,
    };
    let password = NewAccountPassword::new(text.trim_end_matches(['\r', '\n']).to_owned());
    let password = password.map_err(anyhow::Error::msg)?;
    let client = nats::connect(&nats.nats_url, "boxroomctl").await?;
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    while client.connection_state() != State::Connected && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    let server = JetStream::new(client);
    let accounts = Accounts::new(server.clone());
    let hash = password.hash(&Hasher::default()).context("the password cannot be hashed")?;
    let mut output = io::stdout();
    match accounts.create_active(&user_id, hash.clone(), role.name(), clock::now()).await {
        Ok(()) => writeln!(output, "{user_id} is {} now", role.with_article())?,
        Err(AccountError::Conflict) => match accounts.get(&user_id).await? {
            Some(stored) if stored.account.role == role.name() && reset_password => {
                accounts.change_password(stored, hash, None).await?;
                let (sessions, revocations) = (Sessions::new(server.clone()), Revocations::new(server));
                let session_stores = SessionStores { sessions: &sessions, revocations: &revocations };
                sign_out::end_all(session_stores, role.name(), &user_id).await?;
                writeln!(output, "{user_id} has a new password now; all sessions have ended")?;
            }
            Some(stored) if stored.account.role == role.name() => {
                let role = role.with_article();
                writeln!(output, "{user_id} is {role} already; nothing was changed, not even the password")?;
            }
            Some(stored) if stored.account.role == "user" => {
                bail!("{user_id} is the account of a user; nothing was changed")
            }
            _ => bail!("{user_id} is the account of another role; nothing was changed"),
        },
        Err(error) => return Err(error).context("the accounts cannot be reached"),
    }
    Ok(())
}

/// Reads the first line of the standard input.
fn read_password() -> Result<String> {
    if io::stdin().is_terminal() {
        write!(io::stderr(), "Password (it is shown; --password-file reads it from a file): ")?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password from the standard input")?;
    Ok(line)
}
