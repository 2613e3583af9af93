//! Tells readers of a bucket when to read it again: at once after a change, and from time to time in any case.
//!
//! The server republishes the headers of stored changes on core NATS. A notification can be lost:
//!
//! - with the connection. A new connection counts as a change.
//! - on the way from another server of a cluster. Such a bucket is polled as if there were no notifications.
//! - in a full queue of the client. The notifications in the queue are newer than the last read, and cause another one.

use std::{future::pending, sync::atomic::Ordering, time::Duration};

use async_nats::{Client, Subscriber};
use futures::{FutureExt, StreamExt};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The interval of reading a bucket whose changes are all notified.
const SAFETY_INTERVAL: Duration = Duration::from_secs(10);

/// The interval of checking on the same connection that changes are notified: provisioning can add it at any time.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// The time in which further notifications join the first one.
const GATHERING: Duration = Duration::from_millis(20);

/// Returns the subjects on which the server republishes the changes of a bucket.
pub fn changes(bucket: &str) -> String {
    format!("stored.KV_{bucket}.>")
}

/// The servers that store a stream, as in the answer of `STREAM.INFO`.
#[derive(Debug, Default, Deserialize)]
pub struct Home {
    /// The name of the cluster.
    name: Option<String>,
    leader: Option<String>,
}

impl Home {
    /// Returns true if this server belongs to no cluster and stores the stream. Its notifications are lost only together
    /// with the connection.
    pub fn is_only(&self, server: &str) -> bool {
        self.name.is_none() && self.leader.as_deref() == Some(server)
    }
}

#[derive(Deserialize)]
struct Info {
    config: Config,
    #[serde(default)]
    cluster: Home,
}

#[derive(Deserialize)]
struct Config {
    republish: Option<Republish>,
}

#[derive(Deserialize)]
struct Republish {
    dest: String,
}

/// The changes of one bucket, as one reader sees them.
#[derive(Debug)]
pub struct BucketWatch {
    nats: Client,
    bucket: &'static str,
    /// The subject of a request for the state of the bucket's stream.
    info: String,
    notices: Option<Subscriber>,
    /// The connection at the beginning of the last read.
    connection: u64,
    /// The last check that changes are notified: its connection and time.
    checked: Option<(u64, Instant)>,
    is_notified: bool,
}

impl BucketWatch {
    /// Subscribes to the notifications, and begins with the next read. `prefix` is that of the account's JetStream API.
    /// The server need not be reachable yet.
    pub async fn start(nats: Client, prefix: &str, bucket: &'static str) -> Self {
        // Subscribing fails only after the end of the client, which also ends the process.
        let notices = nats.subscribe(changes(bucket)).await.ok();
        let info = format!("{prefix}.STREAM.INFO.KV_{bucket}");
        let connection = connection_count(&nats);
        Self { nats, bucket, info, notices, connection, checked: None, is_notified: false }
    }

    /// Waits for the time of the next read: after a notification or on a new connection at once, otherwise after
    /// `interval`, or later if all changes are notified. Cancellation-safe.
    pub async fn changed(&mut self, interval: Duration) {
        let begun = Instant::now();
        if !self.is_checked() {
            self.check(interval).await;
        }
        let end = begun + if self.is_notified { SAFETY_INTERVAL } else { interval };
        while connection_count(&self.nats) == self.connection && Instant::now() < end {
            tokio::select! {
                () = notified(&mut self.notices) => {
                    sleep(GATHERING).await;
                    while notified(&mut self.notices).now_or_never().is_some() {}
                    break;
                }
                () = sleep_until(end.min(Instant::now() + interval)) => {}
            }
        }
        self.connection = connection_count(&self.nats);
    }

    fn is_checked(&self) -> bool {
        let same = |connection| connection == connection_count(&self.nats);
        self.checked.is_some_and(|(connection, at)| same(connection) && at.elapsed() < CHECK_INTERVAL)
    }

    /// Asks the server whether all changes are notified. An account of an earlier version may not ask, and gets no
    /// answer.
    async fn check(&mut self, limit: Duration) {
        let connection = connection_count(&self.nats);
        let answer = timeout(limit, self.nats.request(self.info.clone(), "".into())).await;
        let info = answer.ok().and_then(Result::ok).and_then(|answer| serde_json::from_slice(&answer.payload).ok());
        self.is_notified = info.is_some_and(|Info { config, cluster }| {
            config.republish.is_some_and(|republish| republish.dest == changes(self.bucket))
                && cluster.is_only(&self.nats.server_info().server_name)
        });
        self.checked = Some((connection, Instant::now()));
    }
}

/// The number of connects of the client, as an identifier of the connection.
fn connection_count(nats: &Client) -> u64 {
    nats.statistics().connects.load(Ordering::Relaxed)
}

/// Waits for a notification; forever after the end of the client.
async fn notified(notices: &mut Option<Subscriber>) {
    let next = match notices {
        Some(subscriber) => subscriber.next().await,
        None => pending().await,
    };
    if next.is_none() {
        *notices = None;
        pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(json: &str) -> Home {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_a_server_without_a_cluster_loses_no_notifications() {
        assert!(home(r#"{"leader":"boxroom"}"#).is_only("boxroom"));
        // The server is reached over another one.
        assert!(!home(r#"{"leader":"boxroom"}"#).is_only("leaf"));
        assert!(!home(r#"{"name":"c","leader":"boxroom"}"#).is_only("boxroom"));
        assert!(!home("{}").is_only(""));
    }
}
