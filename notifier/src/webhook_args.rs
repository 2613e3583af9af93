//! The settings of webhooks.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use push::outbound::{self, Protocol, Reach};

use crate::{
    providers::authorities,
    webhooks::sender::{MAX_REQUESTS, SenderSettings},
};

/// The settings of webhooks.
#[derive(Debug, Clone, Args)]
pub struct WebhookArgs {
    /// Send webhooks to private addresses, to any port and over plain HTTP as well
    #[arg(long, env = "BOXROOM_PRIVATE_WEBHOOKS")]
    pub private_webhooks: bool,

    /// File with the certificate authorities (PEM) of webhooks, instead of those that this machine trusts
    #[arg(long, env = "BOXROOM_WEBHOOK_CA_FILE", value_name = "FILE")]
    pub webhook_ca_file: Option<PathBuf>,

    /// Timeout of one request to a webhook, in seconds
    #[arg(long, env = "BOXROOM_WEBHOOK_TIMEOUT", default_value_t = 15, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60))]
    pub webhook_timeout: u64,

    /// Longest pause between two attempts to send an event to a webhook, in seconds
    #[arg(long, env = "BOXROOM_WEBHOOK_MAX_RETRY", default_value_t = 3600, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub webhook_max_retry: u64,

    /// Time after which an event that a webhook does not accept is given up, in minutes
    #[arg(long, env = "BOXROOM_WEBHOOK_LIFETIME", default_value_t = 4320, value_name = "MINUTES")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=40_320))]
    pub webhook_lifetime: u64,
}

impl WebhookArgs {
    /// Returns the client for the requests. Connects when it is used.
    pub(crate) fn client(&self) -> Result<outbound::Client> {
        let settings = outbound::Settings {
            timeout: Duration::from_secs(self.webhook_timeout),
            authorities: authorities(self.webhook_ca_file.as_deref())?,
            // Enough for all requests, of many webhooks at one host too, and for unused connections.
            max_connections: 3 * MAX_REQUESTS,
            max_connections_per_host: MAX_REQUESTS,
            ..outbound::Settings::default()
        };
        let reach = if self.private_webhooks { Reach::Any } else { Reach::Public };
        outbound::Client::new(reach, Protocol::Negotiated, &settings).context("TLS cannot be used for webhooks")
    }

    /// Returns the limits of repeated attempts.
    pub(crate) fn limits(&self) -> SenderSettings {
        SenderSettings {
            max_retry: Duration::from_secs(self.webhook_max_retry),
            lifetime: Duration::from_secs(self.webhook_lifetime * 60),
        }
    }
}
