//! `command-service operator create`: creates operators, including the first one. There is no default password.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use async_nats::connection::State;
use credentials::{AccountError, Accounts, Revocations, Sessions};
use service_kit::{clock, nats};
use storage::JetStream;
use tokio::time::{Instant, sleep};

use crate::{
    passwords::{AccountPassword, Passwords},
    sessions::sign_out::{self, Records},
    settings::CreateOperator,
};

/// The longest wait for the connection to the server.
const CONNECT: Duration = Duration::from_secs(5);

/// The role of an operator's account. Stored; never rename.
const ROLE: &str = "operator";

/// Creates an operator's account. Leaves an existing one unchanged, unless `reset_password` is set.
pub async fn create(args: CreateOperator) -> Result<()> {
    let CreateOperator { nats, user_id, password_file, reset_password } = args;
    if user_id.is_reserved() {
        bail!("{user_id} is reserved");
    }
    let text = match password_file {
        Some(file) => fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?,
        None => ask()?,
    };
    let password = AccountPassword::new(text.trim_end_matches(['\r', '\n']).to_owned());
    let password = password.map_err(anyhow::Error::msg)?;
    let client = nats::connect(&nats.nats_url, "command-service").await?;
    let deadline = Instant::now() + CONNECT;
    while client.connection_state() != State::Connected && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    let server = JetStream::new(client);
    let accounts = Accounts::new(server.clone());
    let passwords = Passwords::new().context("passwords cannot be hashed")?;
    let Ok(hash) = passwords.hash(password).await else { bail!("the password cannot be hashed") };
    let mut output = io::stdout();
    match accounts.create_active(&user_id, hash.clone(), ROLE, clock::now()).await {
        Ok(()) => writeln!(output, "{user_id} is an operator now")?,
        Err(AccountError::Conflict) => match accounts.get(&user_id).await? {
            Some(stored) if stored.account.role == ROLE && reset_password => {
                accounts.change_password(stored, hash, None).await?;
                let (sessions, revocations) = (Sessions::new(server.clone()), Revocations::new(server));
                let records = Records { sessions: &sessions, revocations: &revocations };
                sign_out::everywhere(records, ROLE, &user_id).await?;
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
fn ask() -> Result<String> {
    if io::stdin().is_terminal() {
        write!(io::stderr(), "Password (it is shown; --password-file reads it from a file): ")?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password from the standard input")?;
    Ok(line)
}
