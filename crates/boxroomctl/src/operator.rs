//! `boxroomctl operator create`: creates operators, including the first one. There is no default password.

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

/// The role of an operator's account. Stored; never rename.
const ROLE: &str = "operator";

/// Commands about operators.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Create an operator's account, which signs in with `POST /sessions`
    #[command(after_help = EXAMPLES)]
    Create(CreateOperator),
}

/// The operator to create.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateOperator {
    /// The NATS server.
    #[command(flatten)]
    pub(crate) nats: NatsArgs,

    /// Id of the operator
    #[arg(long, value_name = "USER")]
    pub(crate) user_id: UserId,

    /// File with the password (default: the first line of the standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Replace the password of an existing operator and end all their sessions
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

/// Creates an operator's account. Leaves an existing one unchanged, unless `reset_password` is set.
pub(crate) async fn create(args: CreateOperator) -> Result<()> {
    let CreateOperator { nats, user_id, password_file, reset_password } = args;
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
    match accounts.create_active(&user_id, hash.clone(), ROLE, clock::now()).await {
        Ok(()) => writeln!(output, "{user_id} is an operator now")?,
        Err(AccountError::Conflict) => match accounts.get(&user_id).await? {
            Some(stored) if stored.account.role == ROLE && reset_password => {
                accounts.change_password(stored, hash, None).await?;
                let (sessions, revocations) = (Sessions::new(server.clone()), Revocations::new(server));
                let session_stores = SessionStores { sessions: &sessions, revocations: &revocations };
                sign_out::end_all(session_stores, ROLE, &user_id).await?;
                writeln!(output, "{user_id} has a new password now; all sessions have ended")?;
            }
            Some(stored) if stored.account.role == ROLE => {
                writeln!(output, "{user_id} is an operator already; nothing was changed, not even the password")?;
            }
            _ => bail!("{user_id} is the account of a user; nothing was changed"),
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
