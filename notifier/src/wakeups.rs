//! Wakes the workers: when a projector announces alarms, and when announcements may have been lost.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use async_nats::Client;
use futures::StreamExt;
use supervision::ticks::next_tick;
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};
use wire::transient;

/// The interval at which a new connection is looked for. It costs no request.
const CONNECTION_CHECK: Duration = Duration::from_secs(5);

/// The delay before a failed subscription is made again.
const RETRY: Duration = Duration::from_secs(1);

/// A signal for each stream, by label.
#[derive(Debug, Clone)]
pub(crate) struct Wakeups(Arc<BTreeMap<String, watch::Sender<()>>>);

impl Wakeups {
    pub(crate) fn new(labels: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(labels.into_iter().map(|label| (label, watch::Sender::new(()))).collect()))
    }

    /// Returns a receiver that changes whenever there may be new alarms of a stream.
    pub(crate) fn of(&self, label: &str) -> watch::Receiver<()> {
        let sender = self.0.get(label).cloned().unwrap_or_default();
        sender.subscribe()
    }

    fn wake(&self, label: &str) {
        if let Some(sender) = self.0.get(label) {
            sender.send_replace(());
        }
    }

    pub(crate) fn wake_all(&self) {
        for sender in self.0.values() {
            sender.send_replace(());
        }
    }

    /// Listens until dropped.
    pub(crate) async fn listen(self, client: Client) -> Infallible {
        loop {
            match client.subscribe(transient::PROJECTED).await {
                Ok(mut announcements) => {
                    let mut connects = client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed);
                    self.wake_all();
                    loop {
                        tokio::select! {
                            announcement = announcements.next() => match announcement {
                                Some(announcement) => self.announced(&announcement),
                                None => break,
                            },
                            () = sleep_until(next_tick(CONNECTION_CHECK)) => {
                                let now = client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed);
                                if now != connects {
                                    connects = now;
                                    self.wake_all();
                                }
                            }
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot listen to the projectors"),
            }
            sleep(RETRY).await;
        }
    }

    fn announced(&self, announcement: &async_nats::Message) {
        let subject = announcement.subject.as_str();
        match transient::alarms_stream(subject) {
            Some(stream) => self.wake(stream),
            None if subject == transient::ACTIVATED => self.wake_all(),
            None => {}
        }
    }
}
