//! A reader that fetches and decodes a stream ahead of the writer of its rows.

use event_store::{FollowError, Follower};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{commit::Commit, throttle::Throttle};

/// Capacity of the channel of decoded batches, in batches.
const CAPACITY: usize = 1;

/// Limits of a batch, in events and bytes. No client waits for a single event here, and large batches cost less.
const EVENTS: usize = 10_000;
const BYTES: usize = 16 * 1024 * 1024;

/// Limit of the first batch, in events. It doubles with each batch, so that writing begins early and operators see the
/// rate soon.
const FIRST_EVENTS: usize = 1000;

/// Limit of one request to the log, in messages: a busy server must be able to answer it in time.
const PAGE: usize = 2000;

/// Commits in log order, decoded.
pub(crate) struct Batch {
    pub(crate) commits: Vec<Commit>,
    /// True if the batch reaches the end of the log as it was known when the batch was read.
    pub(crate) caught_up: bool,
}

/// A task that reads a stream. It ends when this value is dropped, and after an error.
pub(crate) struct Prefetcher {
    batches: mpsc::Receiver<Result<Batch, FollowError>>,
    _task: JoinSet<()>,
}

impl Batch {
    /// Reads what the log holds up to these limits. Waits while it holds nothing more.
    pub(crate) async fn next(follower: &mut Follower, events: usize, bytes: usize) -> Result<Self, FollowError> {
        let read = follower.next_batch(events, bytes).await?;
        let commits = read.commits.into_iter().map(Commit::from).collect();
        Ok(Self { commits, caught_up: read.caught_up })
    }
}

/// Collects pages until the batch is large enough or the end of the log is reached. An error after the first page is
/// left to the next call, which runs into it again.
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

impl Prefetcher {
    pub(crate) fn start(mut follower: Follower, throttle: Throttle) -> Self {
        let (sender, batches) = mpsc::channel(CAPACITY);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut events = FIRST_EVENTS;
            loop {
                let batch = collect(&mut follower, throttle.batch_limit(events)).await;
                events = (events * 2).min(EVENTS);
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { batches, _task: task }
    }

    /// Returns the next batch, or `None` after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<Batch, FollowError>> {
        self.batches.recv().await
    }
}
