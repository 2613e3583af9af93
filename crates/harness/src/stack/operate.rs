//! The operators' command line, against a stack.

use std::process::{Output, Stdio};

use anyhow::Context;

use super::{ServiceId, Stack};
use crate::nats::Account;

impl Stack {
    /// Runs `projector <words>` as an operator without a terminal, to its end.
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
