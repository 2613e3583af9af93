//! A stand-in for the push provider that counts the alarms of the messages that it accepts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::ServiceId;
use push_sink::{Behaviour, Options, Received, Service, Sink};
use tempfile::TempDir;

/// The running stand-in. It ends with this value.
pub(super) struct Provider {
    sink: Sink,
    accepted: Arc<AtomicU64>,
    hangs: Duration,
    quick: bool,
    credentials: TempDir,
}

impl Provider {
    /// Starts it.
    pub(super) async fn start(quick: bool) -> anyhow::Result<Self> {
        let credentials = tempfile::tempdir()?;
        let accepted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&accepted);
        let count = move |received: &Received| {
            let is_accepted = received.status.is_some_and(|status| status < 300);
            if received.service == Service::Fcm && is_accepted {
                let alarms = received.body["message"]["data"]["alarms"].as_str().and_then(|count| count.parse().ok());
                counter.fetch_add(alarms.unwrap_or(0), Ordering::Relaxed);
            }
        };
        let options = Options {
            credentials: Some(credentials.path().to_path_buf()),
            observer: Some(Box::new(count)),
            ..Options::default()
        };
        let hangs = if quick { Duration::from_secs(1) } else { Duration::from_secs(10) };
        Ok(Self { sink: Sink::start(options).await?, accepted, hangs, quick, credentials })
    }

    /// The settings of a notifier that uses it.
    pub(super) fn settings(&self) -> Vec<(ServiceId, &'static str, String)> {
        let account = self.credentials.path().join("fcm.json").to_string_lossy().into_owned();
        let mut settings =
            vec![("BOXROOM_FCM_ACCOUNT_FILE", account), ("BOXROOM_FCM_URL", self.sink.address().to_owned())];
        if self.quick {
            settings.push(("BOXROOM_PUSH_DELAY", "300".to_owned()));
        }
        settings.into_iter().map(|(name, value)| (ServiceId::Notifier(0), name, value)).collect()
    }

    /// Makes each call hang and then fail, or work.
    pub(super) fn behave(&self, hangs: bool) {
        let hang_ms = u64::try_from(self.hangs.as_millis()).ok();
        let failing = Behaviour { hang_ms, status: Some(500), ..Behaviour::default() };
        self.sink.behave(Service::Fcm, if hangs { failing } else { Behaviour::default() });
    }

    /// The number of alarms of all accepted messages.
    pub(super) fn accepted_alarms(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}
