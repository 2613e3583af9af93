//! The settings of confirmations.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use axum::http::Uri;
use chrono::TimeDelta;
use clap::{Args, ValueEnum};
use push::signature::Secret;
use service_kit::time_span;

use super::hook::{Command, Hook, Webhook};

/// The program that delivers the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfirmationMode {
    /// None: users are registered at once
    Off,
    /// A webhook
    Webhook,
    /// A command on this machine
    Command,
}

/// The settings of confirmations.
#[derive(Debug, Clone, Args)]
pub struct ConfirmationArgs {
    /// Way in which the link that confirms a registration is delivered
    #[arg(long, env = "BOXROOM_REGISTRATION_CONFIRMATION", default_value = "off", value_name = "WAY")]
    pub registration_confirmation: ConfirmationMode,

    /// Address of the page that confirms, to which the token is appended, like `https://chat.example/confirm?token=`
    #[arg(long, env = "BOXROOM_CONFIRMATION_LINK", value_name = "URL")]
    #[arg(required_if_eq_any([("registration_confirmation", "webhook"), ("registration_confirmation", "command")]))]
    pub confirmation_link: Option<String>,

    /// Time until a link and its account expire, at most 7 days
    #[arg(long, env = "BOXROOM_CONFIRMATION_LIFETIME", default_value = "24h", value_parser = lifetime)]
    #[arg(value_name = "TIME")]
    pub confirmation_lifetime: TimeDelta,

    /// Address that gets the links, as signed requests
    #[arg(long, env = "BOXROOM_CONFIRMATION_WEBHOOK", value_name = "URL")]
    #[arg(required_if_eq("registration_confirmation", "webhook"))]
    pub confirmation_webhook: Option<Uri>,

    /// File with the secret that signs these requests: `whsec_` and 24 to 64 bytes in base64
    #[arg(long, env = "BOXROOM_CONFIRMATION_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    #[arg(required_if_eq("registration_confirmation", "webhook"))]
    pub confirmation_webhook_secret_file: Option<PathBuf>,

    /// Program that delivers a link, and its arguments, separated by spaces
    #[arg(long, env = "BOXROOM_CONFIRMATION_COMMAND", value_name = "COMMAND")]
    #[arg(required_if_eq("registration_confirmation", "command"))]
    pub confirmation_command: Option<String>,

    /// Timeout of one attempt to deliver a link, in seconds
    #[arg(long, env = "BOXROOM_CONFIRMATION_TIMEOUT", default_value_t = 15, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60))]
    pub confirmation_timeout: u64,
}

impl ConfirmationArgs {
    /// Returns the hook, and the address to which tokens are appended. None if users need no confirmation.
    pub(super) fn hook(&self) -> Result<Option<(Hook, String)>> {
        let timeout = Duration::from_secs(self.confirmation_timeout);
        let hook = match self.registration_confirmation {
            ConfirmationMode::Off => return Ok(None),
            ConfirmationMode::Webhook => {
                let url = self.confirmation_webhook.clone().context("no webhook is set")?;
                let file = self.confirmation_webhook_secret_file.as_ref().context("no secret of the webhook is set")?;
                let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                let secret = Secret::parse(text.trim());
                let secret = secret.with_context(|| format!("{} is not a secret of a webhook", file.display()))?;
                Hook::Webhook(Box::new(Webhook::new(url, secret, timeout)?))
            }
            ConfirmationMode::Command => {
                let command = self.confirmation_command.as_deref().context("no command is set")?;
                let mut words = command.split_whitespace().map(str::to_owned);
                let program = words.next().context("the command of confirmations is empty")?;
                Hook::Command(Command { program, arguments: words.collect(), timeout })
            }
        };
        let link = self.confirmation_link.clone().context("no link is set")?;
        let is_address = link.starts_with("https://") || link.starts_with("http://");
        ensure!(is_address && link.parse::<Uri>().is_ok(), "{link} is not the beginning of an address");
        Ok(Some((hook, link)))
    }
}

/// Parses a time span of at most seven days.
fn lifetime(text: &str) -> Result<TimeDelta, String> {
    let span = time_span::parse(text)?;
    let fits = (TimeDelta::seconds(1)..=TimeDelta::days(7)).contains(&span);
    if fits { Ok(span) } else { Err(format!("{text} is not between 1s and 7d")) }
}
