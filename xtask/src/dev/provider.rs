//! The stand-in for the push providers: prints each push message.

use std::path::Path;

use anyhow::Context;
use harness::ServiceId;
use push::VapidKey;
use push_sink::{APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, Options, Sink};

use crate::console;

/// A setting of a service: its name and value.
type Setting = (ServiceId, &'static str, String);

/// The stand-in and what belongs to it.
pub(super) struct Provider {
    pub(super) sink: Sink,
    /// The public key with which browsers make their subscriptions.
    pub(super) web_push_key: String,
    /// The settings of the notifier and the query-service.
    pub(super) settings: Vec<Setting>,
}

/// Starts it with the keys in a folder.
pub(super) async fn start(folder: &Path) -> anyhow::Result<Provider> {
    let options = Options {
        credentials: Some(folder.to_path_buf()),
        // An endpoint of Web Push has an https address.
        tls: true,
        observer: Some(Box::new(|received| console::log("push", &received.to_string()))),
        ..Options::default()
    };
    let sink = Sink::start(options).await.context("the stand-in for the push providers does not start")?;
    let address = sink.address().to_owned();
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let vapid = std::fs::read_to_string(folder.join("vapid.pem")).context("cannot read the key of Web Push")?;
    let web_push_key = VapidKey::from_text(&vapid)?.public_key().to_owned();
    let settings = [
        ("BOXROOM_FCM_ACCOUNT_FILE", file("fcm.json")),
        ("BOXROOM_FCM_URL", address.clone()),
        ("BOXROOM_APNS_KEY_FILE", file("apns.p8")),
        ("BOXROOM_APNS_KEY_ID", APNS_KEY_ID.to_owned()),
        ("BOXROOM_APNS_TEAM_ID", APNS_TEAM_ID.to_owned()),
        ("BOXROOM_APNS_TOPIC", APNS_TOPIC.to_owned()),
        ("BOXROOM_APNS_URL", address),
        ("BOXROOM_VAPID_KEY_FILE", file("vapid.pem")),
        ("BOXROOM_VAPID_CONTACT", "mailto:dev@localhost".to_owned()),
        ("BOXROOM_PRIVATE_ENDPOINTS", "true".to_owned()),
        // A receiver of webhooks that is being developed runs on this machine.
        ("BOXROOM_PRIVATE_WEBHOOKS", "true".to_owned()),
        ("BOXROOM_PUSH_CA_FILE", file("ca.pem")),
    ];
    let mut settings: Vec<Setting> =
        settings.into_iter().map(|(name, value)| (ServiceId::Notifier(0), name, value)).collect();
    settings.push((ServiceId::Query(0), "BOXROOM_PAGE_WEB_PUSH_KEY", web_push_key.clone()));
    Ok(Provider { sink, web_push_key, settings })
}
