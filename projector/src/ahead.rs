//! Reads and decodes a stream ahead of whoever writes its rows.

use event_store::{FollowError, Follower};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{commit::Commit, throttle::Throttle};

/// Batches that wait to be written.
const WAITING: usize = 1;

/// The most events of a batch, and the most bytes: while nobody waits for a single event, large ones cost less.
const EVENTS: usize = 10_000;
const BYTES: usize = 16 * 1024 * 1024;

/// The most events of the first batch; each may have twice as many as the one before. So writing begins soon, and who
/// watches sees early how fast it goes.
const FIRST_EVENTS: usize = 1000;

/// The most messages of one answer of the log: it must come in time from a server that is busy.
const PAGE: usize = 2000;

/// Commits in log order, decoded.
pub(crate) struct Batch {
    pub(crate) commits: Vec<Commit>,
    /// Whether the end of the log, as far as it was known, is reached with these.
    pub(crate) caught_up: bool,
}

/// A task that reads a stream. Ends with this value, or after an error.
pub(crate) struct Ahead {
    batches: mpsc::Receiver<Result<Batch, FollowError>>,
    _task: JoinSet<()>,
}

impl Batch {
    /// What is there, up to these limits; waits while nothing is there.
    pub(crate) async fn next(follower: &mut Follower, events: usize, bytes: usize) -> Result<Self, FollowError> {
        let read = follower.next_batch(events, bytes).await?;
        let commits = read.commits.into_iter().map(Commit::from).collect();
        Ok(Self { commits, caught_up: read.caught_up })
    }
}

/// Pages of what is there, until they are enough or the end of the log is reached. An error after the first page waits
/// for the next time: it repeats itself.
async fn collect(follower: &mut Follower, events: usize) -> Result<Batch, FollowError> {
    let page = PAGE.min(events);
    let mut batch = Batch { commits: Vec::with_capacity(events), caught_up: false };
    let mut bytes = 0;
    while !batch.caught_up && batch.commits.len() + page <= events && bytes < BYTES {
        let read = match follower.next_batch(page, BYTES).await {
            Err(_) if !batch.commits.is_empty() => break,
            read => read?,
        };
        bytes += read.commits.iter().map(|commit| commit.payload.len()).sum::<usize>();
        batch.commits.extend(read.commits.into_iter().map(Commit::from));
        batch.caught_up = read.caught_up;
    }
    Ok(batch)
}

impl Ahead {
    pub(crate) fn start(mut follower: Follower, throttle: Throttle) -> Self {
        let (sender, batches) = mpsc::channel(WAITING);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut events = FIRST_EVENTS;
            loop {
                let batch = collect(&mut follower, throttle.most_events(events)).await;
                events = (events * 2).min(EVENTS);
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { batches, _task: task }
    }

    /// The next batch; none after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<Batch, FollowError>> {
        self.batches.recv().await
    }
}
