//! Runs the operators' command line against a stack.

use std::process::{Output, Stdio};

use anyhow::Context;
use tokio::io::AsyncWriteExt;

use super::{ServiceId, Stack};
use crate::nats::Account;

impl Stack {
    /// Runs `command-service operator create` with this password and these further arguments, to its end.
    pub async fn create_operator(&self, user_id: &str, password: &str, words: &[&str]) -> anyhow::Result<Output> {
        let program = self.service(ServiceId::Command(0)).program();
        let mut child = tokio::process::Command::new(program)
            .args(["operator", "create", "--user-id", user_id, "--nats-url", &self.nats_url(Account::Command)])
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

    /// Runs `projector <words>` to its end, as an operator without a terminal.
    pub async fn operate(&self, words: &str) -> anyhow::Result<Output> {
        let program = self.service(ServiceId::Projector(0)).program();
        tokio::process::Command::new(program)
            .args(words.split_whitespace())
            .args(["--operator-url", &self.nats_url(Account::Operator)])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", program.display()))
    }
}
