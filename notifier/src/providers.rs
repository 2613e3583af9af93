//! The push providers of this installation, from its settings.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use push::{Apns, ApnsKey, Fcm, Providers, ServiceAccount, VapidKey, WebPush, outbound};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::delivery::Route;

/// The settings of the providers. One without credentials is not used.
#[derive(Debug, Clone, Args)]
pub struct ProviderArgs {
    /// JSON file of the Google service account that sends over FCM
    #[arg(long, env = "BOXROOM_FCM_ACCOUNT_FILE", value_name = "FILE")]
    pub fcm_account_file: Option<PathBuf>,

    /// Address of FCM
    #[arg(long, env = "BOXROOM_FCM_URL", default_value = Fcm::ADDRESS, value_name = "URL")]
    pub fcm_url: String,

    /// Key file (.p8) that signs the tokens for APNs
    #[arg(long, env = "BOXROOM_APNS_KEY_FILE", value_name = "FILE")]
    #[arg(requires_all = ["apns_key_id", "apns_team_id", "apns_topic"])]
    pub apns_key_file: Option<PathBuf>,

    /// Id of that key
    #[arg(long, env = "BOXROOM_APNS_KEY_ID", value_name = "ID")]
    pub apns_key_id: Option<String>,

    /// Id of the team that the key belongs to
    #[arg(long, env = "BOXROOM_APNS_TEAM_ID", value_name = "ID")]
    pub apns_team_id: Option<String>,

    /// Bundle id of the app
    #[arg(long, env = "BOXROOM_APNS_TOPIC", value_name = "BUNDLE")]
    pub apns_topic: Option<String>,

    /// Address of APNs; apps in development need <https://api.sandbox.push.apple.com>
    #[arg(long, env = "BOXROOM_APNS_URL", default_value = Apns::ADDRESS, value_name = "URL")]
    pub apns_url: String,

    /// Key file (PEM or base64url) that identifies this installation to Web Push services
    #[arg(long, env = "BOXROOM_VAPID_KEY_FILE", value_name = "FILE", requires = "vapid_contact")]
    pub vapid_key_file: Option<PathBuf>,

    /// Address at which Web Push services reach the operator (mailto: or https:)
    #[arg(long, env = "BOXROOM_VAPID_CONTACT", value_name = "URL")]
    pub vapid_contact: Option<String>,

    /// Send Web Push messages to private addresses and over plain HTTP as well; for tests only
    #[arg(long, env = "BOXROOM_PRIVATE_ENDPOINTS")]
    pub private_endpoints: bool,

    /// File with the certificate authorities (PEM) of all providers, instead of those that this machine trusts
    #[arg(long, env = "BOXROOM_PUSH_CA_FILE", value_name = "FILE")]
    pub push_ca_file: Option<PathBuf>,

    /// Timeout of one call of a provider, in seconds
    #[arg(long, env = "BOXROOM_PUSH_TIMEOUT", default_value_t = 10, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60))]
    pub push_timeout: u64,

    /// Maximum number of calls of one provider at a time
    #[arg(long, env = "BOXROOM_PUSH_CONCURRENCY", default_value_t = 32, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub push_concurrency: u16,
}

impl ProviderArgs {
    /// Opens the providers with credentials. Sends nothing.
    pub(crate) fn open(&self) -> Result<(Providers, Vec<Route>)> {
        let settings = outbound::Settings {
            timeout: Duration::from_secs(self.push_timeout),
            authorities: authorities(self.push_ca_file.as_deref())?,
            ..outbound::Settings::default()
        };
        let mut providers = Providers::default();
        let mut names = Vec::new();
        if let Some(file) = &self.fcm_account_file {
            let account = ServiceAccount::from_file(file)?;
            providers.fcm = Some(Fcm::new(account, &self.fcm_url, &settings).context("FCM")?);
            names.push("fcm");
        }
        if let Some(file) = &self.apns_key_file {
            let pem = read(file)?;
            let (Some(key_id), Some(team_id), Some(topic)) = (&self.apns_key_id, &self.apns_team_id, &self.apns_topic)
            else {
                bail!("--apns-key-file needs --apns-key-id, --apns-team-id and --apns-topic");
            };
            let key = ApnsKey::from_pem(&pem, key_id, team_id)?;
            providers.apns = Some(Apns::new(key, topic, &self.apns_url, &settings).context("APNs")?);
            names.push("apns");
        }
        if let Some(file) = &self.vapid_key_file {
            let key = VapidKey::from_text(&read(file)?)?;
            let contact = self.vapid_contact.as_deref().unwrap_or_default();
            let reach = if self.private_endpoints { outbound::Reach::Any } else { outbound::Reach::Public };
            providers.web_push = Some(WebPush::new(key, contact, reach, &settings).context("Web Push")?);
            names.push("web_push");
        }
        let routes = names.into_iter().map(|provider| Route::new(provider, self.push_concurrency));
        Ok((providers, routes.collect()))
    }
}

/// Returns the certificate authorities of a file; none without a file.
pub(crate) fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    read().with_context(|| format!("{} has no certificates in PEM form", file.display()))
}

fn read(file: &PathBuf) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
