//! The hook of an installation that delivers links: a webhook, or a command.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result};
use axum::http::{Request, Uri, header};
use push::{
    outbound::{Client, Protocol, Reach, Settings},
    signature::Secret,
};
use serde_json::json;
use service_kit::clock;
use tokio::{io::AsyncWriteExt, process, time::timeout};

use super::delivery::Delivery;

/// The variables of this process that a command gets. All others may be secrets.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];

/// A hook.
pub(super) enum Hook {
    Webhook(Box<Webhook>),
    Command(Command),
}

/// An address that gets signed requests.
pub(super) struct Webhook {
    client: Client,
    url: Uri,
    secret: Secret,
}

/// A program on this machine.
pub(super) struct Command {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) timeout: Duration,
}

impl Hook {
    /// Delivers a link once. The error has neither the link nor the contact address.
    pub(super) async fn deliver(&self, id: &str, delivery: &Delivery) -> Result<(), String> {
        match self {
            Self::Webhook(webhook) => webhook.send(id, delivery).await,
            Self::Command(command) => command.run(delivery).await,
        }
    }
}

impl Webhook {
    /// Creates a webhook. Any address is allowed, because the operators of the installation choose it.
    pub(super) fn new(url: Uri, secret: Secret, timeout: Duration) -> Result<Self> {
        let settings = Settings { timeout, connect_timeout: timeout, ..Settings::default() };
        let client = Client::new(Reach::Any, Protocol::Negotiated, &settings).context("TLS cannot be used")?;
        client.check(&url).with_context(|| format!("{url} is not the address of a webhook"))?;
        Ok(Self { client, url, secret })
    }

    async fn send(&self, id: &str, delivery: &Delivery) -> Result<(), String> {
        let Delivery { user_id, nickname, contact, link, expires_at } = delivery;
        let data = json!({
            "user_id": user_id, "nickname": nickname, "contact": contact, "link": link, "expires_at": expires_at,
        });
        let body = json!({ "type": "registration.confirmation", "data": data }).to_string().into_bytes();
        let timestamp = clock::now().timestamp();
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("boxroom/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.secret.sign(id, timestamp, &body));
        let request = request.body(body.into()).map_err(|error| error.to_string())?;
        let response = self.client.send(request).await.map_err(|error| error.to_string())?;
        let status = response.status;
        if status.is_success() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
    }
}

impl Command {
    /// Runs the program with the link on its standard input, and everything in variables. Ends it when its time is
    /// over.
    async fn run(&self, delivery: &Delivery) -> Result<(), String> {
        let inherited = INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let expires_at = delivery.expires_at.to_rfc3339();
        let mut child = process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(inherited)
            .env("BOXROOM_USER_ID", &delivery.user_id)
            .env("BOXROOM_NICKNAME", &delivery.nickname)
            .env("BOXROOM_CONTACT", &delivery.contact)
            .env("BOXROOM_LINK", &delivery.link)
            .env("BOXROOM_EXPIRES_AT", expires_at)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("the program cannot be started: {error}"))?;
        let finish = async {
            if let Some(mut input) = child.stdin.take() {
                // A program that uses the variables may not read it.
                let _ = input.write_all(format!("{}\n", delivery.link).as_bytes()).await;
            }
            child.wait().await
        };
        match timeout(self.timeout, finish).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(status.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                let _ = child.kill().await;
                Err(format!("the program took more than {} seconds", self.timeout.as_secs()))
            }
        }
    }
}
