//! Runs the operators' command line against a stack.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::io::AsyncWriteExt;

use super::{Stack, service};
use crate::{nats::Account, postgres::Role, token::Bearer};

/// The lifetime of the operator's access token.
const TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// Returns the operators' program. It does not depend on the services' programs, which may be those of another release.
fn program() -> anyhow::Result<PathBuf> {
    let program = service::bin_dir()?.join("boxroomctl");
    ensure!(program.is_file(), "{} does not exist: run `cargo build` first", program.display());
    Ok(program)
}

impl Stack {
    /// Runs `boxroomctl <role> create` with this password and these further arguments, to its end.
    pub async fn create_account(
        &self,
        role: &str,
        user_id: &str,
        password: &str,
        words: &[&str],
    ) -> anyhow::Result<Output> {
        let program = program()?;
        let mut child = tokio::process::Command::new(&program)
            .args([role, "create", "--user-id", user_id, "--nats-url", &self.nats_url(Account::Command)])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut input = child.stdin.take().context("no standard input")?;
        input.write_all(format!("{password}\n").as_bytes()).await?;
        drop(input);
        Ok(child.wait_with_output().await?)
    }

    /// Runs `boxroomctl <words>` to its end, as an operator without a terminal.
    pub async fn operate(&self, words: &str) -> anyhow::Result<Output> {
        self.boxroomctl(&words.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Runs `boxroomctl` with these arguments to its end, as an operator without a terminal who has the projector's
    /// access to the servers and an access token.
    pub async fn boxroomctl(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let program = program()?;
        tokio::process::Command::new(&program)
            .args(arguments)
            .env("BOXROOM_OPERATOR_URL", self.nats_url(Account::Operator))
            .env("BOXROOM_NATS_URL", self.nats_url(Account::Projector))
            .env("BOXROOM_DATABASE_URL", self.database_url(Role::Projector))
            .env("BOXROOM_MASTER_KEY_FILE", self.master_key_file())
            .env("BOXROOM_TOKEN", self.token(Bearer::Operator("ops"), TOKEN_LIFETIME))
            .env("BOXROOM_LOG", "off")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", program.display()))
    }
}
