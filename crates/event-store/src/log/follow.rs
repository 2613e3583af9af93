//! Reads a stream from a position on and follows it: every message once, in order. Damage is distinguished from delay.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream::BoxStream};
use supervision::ticks::next_tick;
use tokio::time::{Instant, sleep, sleep_until};
use wire::StreamName;

use crate::{
    codec::envelope::{RecordedCommit, header},
    log::{BulkReader, Freshness, Log, LogError, Range, Recorded, StreamState, damage::Damage},
};

/// The interval of comparing connections: on a new one, the leader is asked for its last sequence.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The interval of asking the leader on the same connection, in case a notification was lost on it.
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// The interval if notifications are lost only together with the connection. Bounds the time until a replaced stream is
/// detected.
const NOTIFIED_ASK_INTERVAL: Duration = Duration::from_secs(10);

/// The number of notifications after which the leader is asked again on the same connection. Far fewer than the client
/// keeps before it drops any.
const MAX_NOTIFICATIONS: u32 = 16_384;

/// The longest lag of a replica before a missing message is examined.
const MAX_REPLICA_LAG: Duration = Duration::from_secs(5);

/// The longest lag of a new leader behind the messages that the former one has published.
const MAX_LEADER_LAG: Duration = Duration::from_secs(3);

/// Reads one stream in order. It has one reader. Dropping it leaves nothing on the server.
pub struct Follower {
    log: Arc<dyn Log>,
    bulk: Option<Box<dyn BulkReader>>,
    stream: StreamName,
    notifications: BoxStream<'static, Recorded>,
    start: StreamState,
    /// The sequence that is read next from the log, the one after the buffer's last.
    next: u64,
    /// The highest sequence known to be stored.
    known_last: u64,
    buffer: VecDeque<Recorded>,
    next_poll: Instant,
    /// The connection on which the leader was asked last, and when it is asked again.
    last_check: Option<(u64, Instant)>,
    ask_interval: Duration,
    /// The number of notifications since then.
    notification_count: u32,
    waiting_for_replica: Option<Instant>,
    shorter_since: Option<Instant>,
    reported_caught_up: bool,
}

/// Commits in log order.
#[derive(Debug, Default)]
pub struct Batch {
    /// The commits. Empty if the end of the log was reached without one.
    pub commits: Vec<RecordedCommit>,
    /// True if these reach the known end of the log.
    pub caught_up: bool,
}

/// The reasons for which there is no next batch.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A temporary failure: call again.
    #[error("the log cannot be read now")]
    Unavailable(#[source] LogError),
    /// A permanent failure that needs an operator.
    #[error("the log is damaged")]
    Damaged(#[from] Damage),
}

impl From<LogError> for FollowError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Corrupt { stream, sequence, reason } => Damage::Unreadable { stream, sequence, reason }.into(),
            error => Self::Unavailable(error),
        }
    }
}

/// Begins to follow a stream at this sequence (1 is the first). [`Follower::state`] is the stream's state at this time.
pub async fn follow(log: Arc<dyn Log>, stream: StreamName, from: u64) -> Result<Follower, FollowError> {
    let notifications = log.notifications(stream).await?;
    let next = from.max(1);
    let start = state_at_least(log.as_ref(), stream, next - 1).await?;
    Ok(Follower {
        known_last: start.last_sequence,
        next_poll: next_tick(CHECK_INTERVAL),
        last_check: log.connection().map(|connection| (connection, next_tick(ask_interval(&start)))),
        ask_interval: ask_interval(&start),
        notification_count: 0,
        buffer: VecDeque::new(),
        waiting_for_replica: None,
        shorter_since: None,
        reported_caught_up: false,
        bulk: None,
        log,
        stream,
        notifications,
        start,
        next,
    })
}

fn ask_interval(state: &StreamState) -> Duration {
    if state.is_notified { NOTIFIED_ASK_INTERVAL } else { ASK_INTERVAL }
}

/// Returns the leader's state, which must reach the last sequence that was read. A new leader may briefly lag behind
/// the messages that the former one has published.
async fn state_at_least(log: &dyn Log, stream: StreamName, read: u64) -> Result<StreamState, FollowError> {
    let deadline = Instant::now() + MAX_LEADER_LAG;
    loop {
        let state = log.state(stream).await?;
        if state.last_sequence >= read {
            return Ok(state);
        }
        if Instant::now() > deadline {
            return Err(Damage::Shortened { stream, read, last: state.last_sequence }.into());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Returns the id of the commit at a sequence. None if there is no message.
pub async fn commit_id_at(log: &dyn Log, stream: StreamName, sequence: u64) -> Result<Option<String>, LogError> {
    let recorded = log.get(stream, sequence, Freshness::Leader).await?;
    Ok(recorded.map(|recorded| recorded.header(header::COMMIT_ID).unwrap_or_default().to_owned()))
}

impl Follower {
    /// Makes the follower read over a connection of its own, if one is configured. Use it for reading most of a stream.
    #[must_use]
    pub fn in_bulk(mut self) -> Self {
        self.bulk = self.log.bulk();
        self
    }

    /// The state of the stream at the start of following.
    pub fn state(&self) -> &StreamState {
        &self.start
    }

    /// The highest sequence known to be stored.
    pub fn end(&self) -> u64 {
        self.known_last
    }

    /// Returns the next commits, up to these limits (at least one commit). Waits while there are none. Returns an empty
    /// batch once, when the end of the log is reached without a commit. Cancellation-safe, and can be called again
    /// after an error.
    pub async fn next_batch(&mut self, max_events: usize, max_bytes: usize) -> Result<Batch, FollowError> {
        loop {
            self.take_notifications(max_events);
            if !self.buffer.is_empty() {
                return self.cut(max_events, max_bytes);
            }
            if self.next <= self.known_last {
                self.read_more(max_events, max_bytes).await?;
            } else if self.reported_caught_up {
                self.wait().await?;
            } else {
                self.reported_caught_up = true;
                return Ok(Batch { commits: Vec::new(), caught_up: true });
            }
        }
    }

    fn take_notifications(&mut self, limit: usize) {
        while self.buffer.len() < limit {
            match self.notifications.next().now_or_never() {
                Some(Some(notification)) => self.accept(notification),
                _ => return,
            }
        }
    }

    /// Accepts a notification. It is the message itself if it is the next one, else it only shows how far the log goes.
    fn accept(&mut self, notification: Recorded) {
        self.known_last = self.known_last.max(notification.sequence);
        self.notification_count = self.notification_count.saturating_add(1);
        if notification.sequence == self.next {
            self.next += 1;
            self.buffer.push_back(notification);
        }
    }

    fn cut(&mut self, max_events: usize, max_bytes: usize) -> Result<Batch, FollowError> {
        let (mut events, mut bytes) = (0, 0);
        let mut commits = Vec::with_capacity(self.buffer.len().min(max_events));
        while let Some(recorded) = self.buffer.front() {
            // Parsed before it is removed, so that an error is returned again by the next call.
            let commit = RecordedCommit::parse(recorded)?;
            events += commit.event_count;
            bytes += commit.payload.len();
            if !commits.is_empty() && (events > max_events || bytes > max_bytes) {
                break;
            }
            commits.push(commit);
            self.buffer.pop_front();
        }
        let caught_up = self.buffer.is_empty() && self.next > self.known_last;
        self.reported_caught_up = caught_up;
        Ok(Batch { commits, caught_up })
    }

    async fn read_more(&mut self, max_messages: usize, max_bytes: usize) -> Result<(), FollowError> {
        let range = Range { stream: self.stream, from: self.next, subject: None, max_messages, max_bytes };
        let page = self.read_page(range).await?;
        if page.is_empty() {
            return self.check_missing().await;
        }
        self.waiting_for_replica = None;
        for recorded in page {
            if self.stream.is_dense() && recorded.sequence != self.next {
                return Err(Damage::Hole { stream: self.stream, expected: self.next }.into());
            }
            self.next = recorded.sequence + 1;
            self.known_last = self.known_last.max(recorded.sequence);
            self.buffer.push_back(recorded);
        }
        Ok(())
    }

    async fn read_page(&mut self, range: Range<'static>) -> Result<Vec<Recorded>, LogError> {
        if let Some(bulk) = &mut self.bulk {
            match bulk.read(range).await {
                Ok(page) => return Ok(page),
                Err(error) => {
                    // The shared connection recovers by itself, and reports the reason if it cannot.
                    tracing::debug!(stream = %self.stream, %error, "reading on without a bulk connection");
                    self.bulk = None;
                }
            }
        }
        self.log.read(range).await
    }

    /// Examines why a stored message cannot be read: a replica is behind, or the message is missing.
    async fn check_missing(&mut self) -> Result<(), FollowError> {
        self.check_leader().await?;
        let since = *self.waiting_for_replica.get_or_insert_with(Instant::now);
        if since.elapsed() > MAX_REPLICA_LAG {
            let stored = self.log.get(self.stream, self.next, Freshness::Leader).await?;
            if stored.is_none() && self.stream.is_dense() {
                return Err(Damage::Hole { stream: self.stream, expected: self.next }.into());
            }
        }
        sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), FollowError> {
        tokio::select! {
            notification = self.notifications.next() => match notification {
                Some(notification) => self.accept(notification),
                None => self.notifications = self.log.notifications(self.stream).await?,
            },
            () = sleep_until(self.next_poll) => {
                self.next_poll = next_tick(CHECK_INTERVAL);
                self.check_connection().await?;
            }
        }
        Ok(())
    }

    async fn check_connection(&mut self) -> Result<(), FollowError> {
        let connection = self.log.connection();
        let is_recent = |due_at| Instant::now() < due_at && self.notification_count < MAX_NOTIFICATIONS;
        if self.last_check.is_some_and(|(last_check, due_at)| connection == Some(last_check) && is_recent(due_at)) {
            return Ok(());
        }
        self.last_check = None;
        self.notification_count = 0;
        self.check_leader().await?;
        self.last_check = connection.map(|connection| (connection, next_tick(self.ask_interval)));
        Ok(())
    }

    async fn check_leader(&mut self) -> Result<(), FollowError> {
        let now = self.log.state(self.stream).await?;
        self.ask_interval = ask_interval(&now);
        self.check_length(&now)?;
        if now.incarnation != self.start.incarnation || now.created != self.start.created {
            return Err(Damage::OtherIncarnation { stream: self.stream }.into());
        }
        self.known_last = self.known_last.max(now.last_sequence);
        Ok(())
    }

    /// Fails at once if the leader has less than was read, so that the reader starts again and compares the log. A log
    /// that has grown again in the meantime may be another one.
    fn check_length(&mut self, now: &StreamState) -> Result<(), FollowError> {
        let (read, last) = (self.next - 1, now.last_sequence);
        if last >= read {
            self.shorter_since = None;
            return Ok(());
        }
        let since = *self.shorter_since.get_or_insert_with(Instant::now);
        if since.elapsed() > MAX_LEADER_LAG {
            return Err(Damage::Shortened { stream: self.stream, read, last }.into());
        }
        let reason = format!("{} ends at {last}, and {read} was read from it", self.stream);
        Err(FollowError::Unavailable(LogError::Unavailable(reason)))
    }
}
