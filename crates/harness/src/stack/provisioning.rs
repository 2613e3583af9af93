//! Runs the administrator's command line against a stack.

use std::{
    ffi::OsStr,
    process::{Output, Stdio},
};

use anyhow::Context;

use super::{Stack, service};
use crate::nats::Account;

impl Stack {
    /// Runs `provision <arguments>` against the log's server, to its end.
    pub async fn provision(&self, arguments: &[&OsStr]) -> anyhow::Result<Output> {
        let program = service::bin_dir()?.join("provision");
        tokio::process::Command::new(&program)
            .args(arguments)
            .env("BOXROOM_NATS_URL", self.nats_url(Account::Admin))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", program.display()))
    }
}
