//! Signals when to read a bucket again: at once after a change, and periodically in any case.
//!
//! The server republishes the headers of stored changes on core NATS. A notification can be lost:
//!
//! - with the connection. A new connection counts as a change.
//! - on the way from another server of a cluster. Such a bucket is polled as if there were no notifications.
//! - in a full queue of the client. The notifications in the queue are newer than the last read, and cause another one.

use std::{future::pending, time::Duration};

use async_nats::Subscriber;
use futures::{FutureExt, StreamExt};
use supervision::ticks::next_tick;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use wire::bucket;

use crate::server::{ApiAnswer, JetStream};

/// The interval of checking on the same connection that changes are still notified.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// The same interval while changes are not notified: provisioning can add it at any time.
const SILENT_CHECK_INTERVAL: Duration = Duration::from_secs(15);

/// The time in which further notifications join the first one.
const GATHERING: Duration = Duration::from_millis(100);

/// The shortest interval at which a new connection is looked for while all changes are notified.
const CONNECTION_INTERVAL: Duration = Duration::from_secs(1);

/// The changes of one bucket, as one reader sees them.
#[derive(Debug)]
pub struct BucketWatch {
    server: JetStream,
    bucket: &'static str,
    notifications: Option<Subscriber>,
    /// The connection at the beginning of the last read.
    connection: u64,
    /// The last check that changes are notified: its connection and time.
    checked: Option<(u64, Instant)>,
    is_notified: bool,
    /// The interval of reads while all changes are notified.
    safety_interval: Duration,
}

impl BucketWatch {
    /// Subscribes to the notifications, and begins with the next read. The server need not be reachable yet. While all
    /// changes are notified, the bucket is read at the safety interval in any case.
    pub async fn start(server: JetStream, bucket: &'static str, safety_interval: Duration) -> Self {
        // Subscribing fails only after the end of the client, which also ends the process.
        let notifications = server.client().subscribe(bucket::changes(bucket)).await.ok();
        let connection = server.connection_count();
        Self { server, bucket, notifications, connection, checked: None, is_notified: false, safety_interval }
    }

    /// Waits for the time of the next read: after a notification or on a new connection at once, otherwise after
    /// `interval`, or later if all changes are notified. Cancellation-safe.
    pub async fn changed(&mut self, interval: Duration) {
        let begun = Instant::now();
        if !self.is_checked() && self.check(interval / 2).await {
            return;
        }
        let (end, interval) = if self.is_notified {
            (next_tick(self.safety_interval), interval.max(CONNECTION_INTERVAL))
        } else {
            (begun + interval, interval)
        };
        while self.server.connection_count() == self.connection && Instant::now() < end {
            tokio::select! {
                () = notified(&mut self.notifications) => {
                    sleep(GATHERING).await;
                    while notified(&mut self.notifications).now_or_never().is_some() {}
                    break;
                }
                () = sleep_until(end.min(next_tick(interval))) => {}
            }
        }
        self.connection = self.server.connection_count();
    }

    fn is_checked(&self) -> bool {
        let same = |connection| connection == self.server.connection_count();
        let interval = if self.is_notified { CHECK_INTERVAL } else { SILENT_CHECK_INTERVAL };
        self.checked.is_some_and(|(connection, at)| same(connection) && at.elapsed() < interval)
    }

    /// Asks the server whether all changes are notified. Returns true if they are from now on: earlier ones may have
    /// been missed. The query account of an earlier version may not ask, and gets no answer.
    async fn check(&mut self, limit: Duration) -> bool {
        let was_notified = self.is_notified;
        let connection = self.server.connection_count();
        let info = timeout(limit, self.server.stream_info(&bucket::stream(self.bucket))).await;
        self.is_notified = match info {
            Ok(Ok(ApiAnswer::Success(info))) => {
                info.config.republish.is_some_and(|republish| republish.dest == bucket::changes(self.bucket))
                    && info.cluster.is_only(&self.server.client().server_info().server_name)
            }
            _ => false,
        };
        let is_first = self.checked.replace((connection, Instant::now())).is_none();
        let is_new = self.is_notified && !was_notified;
        if is_new {
            // The server may have denied the former subscription, which the client does not show.
            self.notifications = self.server.client().subscribe(bucket::changes(self.bucket)).await.ok();
        }
        is_new && !is_first
    }
}

/// Waits for a notification; forever after the end of the client.
async fn notified(notifications: &mut Option<Subscriber>) {
    let next = match notifications {
        Some(subscriber) => subscriber.next().await,
        None => pending().await,
    };
    if next.is_none() {
        *notifications = None;
        pending::<()>().await;
    }
}
