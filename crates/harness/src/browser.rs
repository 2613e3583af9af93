//! A headless browser: opens pages, runs scripts in them, and simulates the loss of the network.

mod devtools;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use self::devtools::DevTools;
use crate::{
    checkout::Scratch,
    output::Output,
    process::{Launch, Process},
    tools,
};

/// The time limit of a start, which may be cold and run beside other tests.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// No window, no requests of the browser's own, no throttling of background pages.
const FLAGS: [&str; 17] = [
    "--headless",
    // The sandbox needs rights that neither root nor a container has. All pages are those of the tests.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--remote-debugging-port=0",
    "about:blank",
];

/// A running Chromium with an empty profile. Ends with this value.
#[derive(Debug)]
pub struct Browser {
    // The fields are dropped in this order: the process before its files.
    devtools: DevTools,
    process: Process,
    _scratch: Scratch,
}

/// A page in a tab.
#[derive(Debug)]
pub struct Page<'a> {
    devtools: &'a DevTools,
    session: String,
}

impl Browser {
    /// Starts a browser. Installs it first if that is necessary and possible.
    pub async fn start() -> anyhow::Result<Self> {
        let program = tokio::task::spawn_blocking(tools::chromium).await??;
        let scratch = Scratch::create()?;
        let profile = scratch.path().join("profile");
        let mut data = std::ffi::OsString::from("--user-data-dir=");
        data.push(&profile);
        let launch = Launch::new("chromium", program)
            .args(FLAGS)
            .args([data])
            // The browser leaves sockets and settings there.
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path());
        let process = Process::spawn(launch, &Output::Folder(scratch.path().join("logs"))).await?;
        let address = address(&process, &profile.join("DevToolsActivePort")).await?;
        let devtools = DevTools::connect(&address).await?;
        scratch.started();
        Ok(Self { devtools, process, _scratch: scratch })
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Opens a page in a new tab, without waiting for it to load.
    pub async fn open(&self, url: &str) -> anyhow::Result<Page<'_>> {
        self.open_after(url, "").await
    }

    /// Opens a page in a new tab and does not wait for it. `script` runs in the page before the page's own scripts.
    pub async fn open_after(&self, url: &str, script: &str) -> anyhow::Result<Page<'_>> {
        let target = self.devtools.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.devtools.call(None, "Target.attachToTarget", attach).await?;
        let session = attached["sessionId"].as_str().context("a session has an id")?.to_owned();
        let page = Page { devtools: &self.devtools, session };
        // Network conditions apply to requests that start after this call.
        page.call("Network.enable", json!({})).await?;
        page.call("Page.enable", json!({})).await?;
        page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await?;
        page.call("Page.navigate", json!({ "url": url })).await?;
        Ok(page)
    }
}

impl Page<'_> {
    /// Returns the value of an expression as JSON. Awaits a promise.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", parameters).await?;
        if let Some(exception) = answer.get("exceptionDetails") {
            bail!("{expression} throws {exception}");
        }
        Ok(answer["result"]["value"].take())
    }

    /// Makes the page accept any certificate.
    pub async fn accept_certificates(&self) -> anyhow::Result<()> {
        self.call("Security.setIgnoreCertificateErrors", json!({ "ignore": true })).await.map(drop)
    }

    /// Reloads the page as a user would, without waiting for it to load.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.call("Page.reload", json!({})).await.map(drop)
    }

    /// Disconnects the page from the network, or reconnects it.
    pub async fn set_offline(&self, offline: bool) -> anyhow::Result<()> {
        let conditions = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.call("Network.emulateNetworkConditions", conditions).await.map(drop)
    }

    async fn call(&self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.devtools.call(Some(&self.session), method, parameters).await
    }
}

/// Returns the WebSocket address, which the browser writes into a file once it listens.
async fn address(process: &Process, file: &Path) -> anyhow::Result<String> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let written = std::fs::read_to_string(file).unwrap_or_default();
        if let Some((port, path)) = written.split_once('\n') {
            return Ok(format!("ws://127.0.0.1:{port}{}", path.trim_end()));
        }
        if let Some(status) = process.exit_status() {
            bail!("Chromium exited during startup ({status}):\n{}", process.last_output());
        }
        if Instant::now() > deadline {
            bail!("Chromium was not ready after {START_TIMEOUT:?}:\n{}", process.last_output());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
