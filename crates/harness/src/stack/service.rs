//! A service of the stack as a process.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use tokio::sync::Mutex;

use super::{ServiceId, tunnel::Tunnel};
use crate::{
    certificates::Certificates,
    output::Output,
    port::Port,
    process::{Launch, Process},
};

/// A service of the stack, running or not.
#[derive(Debug)]
pub(super) struct Service {
    id: ServiceId,
    program: PathBuf,
    port: Port,
    settings: BTreeMap<&'static str, String>,
    output: Output,
    process: Mutex<Option<Process>>,
    /// The tunnel to a service that serves HTTPS.
    tunnel: Option<Tunnel>,
}

/// Returns cargo's folder of the services: that of this program, or its parent for a test.
pub(super) fn bin_dir() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("BOXROOM_BIN_DIR") {
        return Ok(folder.into());
    }
    let program = std::env::current_exe().context("this program has no path")?;
    let folder = program.parent().context("this program has no folder")?;
    let is_test = folder.ends_with("deps") || folder.ends_with("examples");
    Ok(if is_test { folder.parent().unwrap_or(folder) } else { folder }.to_path_buf())
}

impl Service {
    pub(super) fn new(
        id: ServiceId,
        bin_dir: &Path,
        port: Port,
        settings: BTreeMap<&'static str, String>,
        output: Output,
    ) -> anyhow::Result<Self> {
        let program = bin_dir.join(match id {
            ServiceId::Command(_) => "command-service",
            ServiceId::Projector(_) => "projector",
            ServiceId::Query(_) => "query-service",
            ServiceId::Notifier(_) => "notifier",
            ServiceId::OperatorGateway(_) => "operator-gateway",
        });
        ensure!(program.is_file(), "{} does not exist: run `cargo build` first", program.display());
        Ok(Self { id, program, port, settings, output, process: Mutex::default(), tunnel: None })
    }

    /// Makes the service serve HTTPS if there are certificates, and sends requests to it through a tunnel.
    pub(super) fn with_tls(mut self, certificates: Option<&Certificates>) -> anyhow::Result<Self> {
        let Some(Certificates { authority, server, .. }) = certificates else { return Ok(self) };
        self.tunnel = Some(Tunnel::to(self.port(), authority)?);
        for (name, file) in [("BOXROOM_TLS_CERT_FILE", &server.certificate), ("BOXROOM_TLS_KEY_FILE", &server.key)] {
            self.settings.insert(name, file.to_string_lossy().into_owned());
        }
        Ok(self)
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(super) fn url(&self) -> String {
        self.tunnel.as_ref().map_or_else(|| format!("http://127.0.0.1:{}", self.port()), Tunnel::url)
    }

    pub(super) async fn pid(&self) -> Option<i32> {
        self.process.lock().await.as_ref().map(Process::pid)
    }

    pub(super) async fn spawn(&self) -> anyhow::Result<()> {
        let mut slot = self.process.lock().await;
        if slot.as_ref().is_some_and(|process| process.exit_status().is_none()) {
            return Ok(());
        }
        let mut launch =
            Launch::new(self.id.to_string(), &self.program).env("BOXROOM_LISTEN", format!("127.0.0.1:{}", self.port()));
        for (name, value) in &self.settings {
            launch = launch.env(*name, value);
        }
        *slot = Some(Process::spawn(launch, &self.output).await?);
        Ok(())
    }

    pub(super) async fn until_ready(&self, limit: Duration) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        let (page, deadline) = (format!("{}/readyz", self.url()), Instant::now() + limit);
        let mut state = "no answer".to_owned();
        loop {
            match client.get(&page).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => state = answer.text().await.unwrap_or_default(),
                Err(_) => {}
            }
            if let Some(status) = self.exit_status().await {
                // Its last output may still be in the pipe.
                tokio::time::sleep(Duration::from_millis(50)).await;
                bail!("{} exited during startup ({status}):\n{}", self.id, self.last_output().await);
            }
            if Instant::now() > deadline {
                bail!("{} was not ready after {limit:?}: {state}\n{}", self.id, self.last_output().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn exit_status(&self) -> Option<ExitStatus> {
        self.process.lock().await.as_ref().and_then(Process::exit_status)
    }

    pub(super) async fn exited(&self) -> ExitStatus {
        crate::process::exit_of(&self.process).await
    }

    pub(super) async fn signal(&self, signal: Signal) {
        if let Some(process) = self.process.lock().await.as_ref() {
            process.signal(signal);
        }
    }

    pub(super) async fn kill(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.kill().await;
        }
    }

    pub(super) async fn stop(&self, grace: Duration) -> Option<ExitStatus> {
        let process = self.process.lock().await.take()?;
        Some(process.stop(grace).await)
    }

    pub(super) async fn last_output(&self) -> String {
        self.process.lock().await.as_ref().map(Process::last_output).unwrap_or_default()
    }
}
