//! Plans the events of a stream: copies the positions of matching events of the log into rows, for each webhook.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use event_store::{Damage, FollowError, Follower, LogError, RecordedCommit, follow, log::Range};
use futures::FutureExt;
use sqlx::query;
use tokio::time::{Instant, sleep, sleep_until};
use wire::StreamName;

use super::{
    cursors::{self, Cursor},
    deliveries::{self, CursorKey},
    matching::{Page, matching},
    registry::{self, Active},
    sender::Sender,
};
use crate::metrics::METRICS;

/// The size of a page of the log.
const PAGE_MESSAGES: usize = 500;
const PAGE_BYTES: usize = 1024 * 1024;

/// The number of commits without a matching event after which a position is stored.
const STORE_INTERVAL: i64 = 1_000;

/// The maximum number of events of a webhook that wait in a stream. The rest stays in the log.
const MAX_PENDING: i64 = 20_000;

/// The pause of a full webhook. Its events are counted by their results, and in the database at this interval, in case
/// that another notifier or an operator has changed them.
const FULL_PAUSE: Duration = Duration::from_secs(1);
const COUNT_INTERVAL: Duration = Duration::from_mins(1);

/// The pause before a commit of a newer release is read again.
const STOPPED_PAUSE: Duration = Duration::from_mins(1);

/// The pause before a replica is read again.
const REPLICA_RETRY: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{0}")]
    Follow(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log is damaged")]
    Damaged(#[from] Damage),
    #[error("the position of a webhook was moved by another notifier")]
    Moved,
}

impl From<FollowError> for PlanError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Unavailable(error) => Self::Log(error),
            FollowError::Damaged(error) => Self::Follow(error.to_string()),
        }
    }
}

/// Plans the events of one stream, in the one notifier that holds its lock.
pub(crate) struct Planner {
    sender: Arc<Sender>,
    stream: StreamName,
    label: String,
    incarnation: String,
    follower: Follower,
    cursors: BTreeMap<CursorKey, Cursor>,
}

impl Planner {
    /// Opens the planner at the end of the log, if there are webhooks. Those of another incarnation of the stream begin
    /// at its end, paused ones as well.
    pub(crate) async fn open(sender: &Arc<Sender>, stream: StreamName) -> Result<Option<Self>, PlanError> {
        if !registry::any(&sender.pool).await? {
            return Ok(None);
        }
        let end = sender.log.state(stream).await?.last_sequence;
        let follower = follow(sender.log.clone(), stream, end + 1).await?;
        let (label, incarnation) = (stream.label(), follower.state().incarnation.clone());
        let log_end = position(follower.state().last_sequence);
        cursors::begin_again_in_other_logs(&sender.pool, (&label, &incarnation), log_end).await?;
        let sender = sender.clone();
        let mut planner = Self { sender, stream, label, incarnation, follower, cursors: BTreeMap::new() };
        planner.reload().await?;
        Ok(Some(planner))
    }

    /// The incarnation of the stream.
    pub(crate) fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Returns the ids of the webhooks that are not paused.
    pub(crate) fn active(&self) -> Vec<&str> {
        self.cursors.values().map(|cursor| cursor.webhook.webhook_id.as_str()).collect()
    }

    /// Reads the registered webhooks and their positions again. Returns false if there are none.
    pub(crate) async fn reload(&mut self) -> Result<bool, PlanError> {
        let active = registry::active(&self.sender.pool).await?;
        let webhooks: BTreeMap<String, Arc<Active>> =
            active.into_iter().map(|webhook| (webhook.webhook_id.clone(), Arc::new(webhook))).collect();
        let stored = cursors::stored(&self.sender.pool, &self.label, &self.incarnation).await?;
        let mut end = self.end();
        if stored.iter().any(|stored| stored.last() > end) {
            // A replica may be behind.
            end = position(self.sender.log.state(self.stream).await?.last_sequence);
        }
        let mut former = std::mem::take(&mut self.cursors);
        for stored in stored {
            let Some(webhook) = webhooks.get(&stored.key.0) else { continue };
            let known = former.remove(&stored.key).filter(|known| known.is_at(&stored));
            let mut cursor = known.unwrap_or_else(|| {
                // The events are counted in the database first.
                self.sender.take_ended(&self.label, &stored.key);
                Cursor::new(webhook.clone(), &stored)
            });
            cursor.is_beyond_the_end = stored.last() > end;
            let (key, last) = (stored.key.clone(), stored.last());
            if cursor.is_beyond_the_end {
                let problem = format!("the log ends at {end}, before {last}: it has lost events");
                cursor.stop(&self.sender.pool, &self.label, &key, problem).await?;
            }
            self.cursors.insert(key, cursor);
        }
        self.report_stopped();
        Ok(registry::any(&self.sender.pool).await?)
    }

    fn report_stopped(&self) {
        let stopped = self.cursors.values().filter(|cursor| cursor.problem.is_some()).count();
        self.sender.set_stopped(&self.label, stopped);
    }

    /// The last position of the log that is known.
    fn end(&self) -> i64 {
        position(self.follower.end())
    }

    /// Plans the next page of each webhook that is behind, and waits if there is none. Returns the number of planned
    /// events. Cancellation-safe while it waits.
    pub(crate) async fn step(&mut self) -> Result<u64, PlanError> {
        // Takes the announcements so far, so that a long replay does not delay the live events.
        if let Some(batch) = self.follower.next_batch(PAGE_MESSAGES, PAGE_BYTES).now_or_never() {
            drop(batch?);
        }
        let end = self.end();
        let behind = self.behind(end).await?;
        if behind.is_empty() {
            self.wait().await?;
            return Ok(0);
        }
        let mut events = 0;
        for (position, keys) in behind {
            events += self.plan_page(position, end, &keys).await?;
        }
        METRICS.webhooks.planned(events);
        Ok(events)
    }

    /// Returns the webhooks that are behind, by position: those of a group read the log together.
    async fn behind(&mut self, end: i64) -> Result<BTreeMap<i64, Vec<CursorKey>>, PlanError> {
        let now = Instant::now();
        let mut behind: BTreeMap<i64, Vec<CursorKey>> = BTreeMap::new();
        for (key, cursor) in &mut self.cursors {
            cursor.pause_until = cursor.pause_until.filter(|until| *until > now);
            if cursor.pause_until.is_some() || !cursor.is_behind(end) {
                continue;
            }
            cursor.allowance += self.sender.take_ended(&self.label, key);
            if cursor.allowance <= 0 && cursor.counted_at.is_none_or(|at| now >= at + COUNT_INTERVAL) {
                let pending = deliveries::pending(&self.sender.pool, &self.label, key, MAX_PENDING).await?;
                cursor.allowance = MAX_PENDING - pending;
                cursor.counted_at = Some(now);
            }
            if cursor.allowance > 0 {
                behind.entry(cursor.position).or_default().push(key.clone());
            } else {
                cursor.pause_until = Some(now + FULL_PAUSE);
            }
        }
        Ok(behind)
    }

    /// Waits for commits, or until the pause of a webhook is over.
    async fn wait(&mut self) -> Result<(), PlanError> {
        let pause_until = self.cursors.values().filter_map(|cursor| cursor.pause_until).min();
        tokio::select! {
            // The commits themselves are read page by page.
            batch = self.follower.next_batch(PAGE_MESSAGES, PAGE_BYTES) => drop(batch?),
            () = async {
                match pause_until {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
        Ok(())
    }

    async fn plan_page(&mut self, position: i64, end: i64, keys: &[CursorKey]) -> Result<u64, PlanError> {
        let from = u64::try_from(position).unwrap_or_default() + 1;
        let (max_messages, max_bytes) = (PAGE_MESSAGES, PAGE_BYTES);
        let range = Range { stream: self.stream, from, subject: None, max_messages, max_bytes };
        let page = self.sender.log.read(range).await?;
        if page.is_empty() {
            sleep(REPLICA_RETRY).await;
            return Ok(0);
        }
        let mut commits = Vec::with_capacity(page.len());
        for (recorded, expected) in page.iter().zip(from..) {
            if recorded.sequence != expected {
                return Err(Damage::Hole { stream: self.stream, expected }.into());
            }
            commits.push(RecordedCommit::parse(recorded)?);
        }
        let page = Page::read(&commits);
        let last = position + i64::try_from(page.commits.len()).unwrap_or_default();
        if let Some(problem) = page.problem.as_ref().filter(|_| last == position) {
            return self.stop_all(keys, problem).await;
        }
        let mut events = 0;
        for is_replay in [false, true] {
            let keys: Vec<&CursorKey> = keys.iter().filter(|(_, replays)| *replays == is_replay).collect();
            // Replays that end within the page do not share it.
            let mut by_end: BTreeMap<i64, Vec<&CursorKey>> = BTreeMap::new();
            for key in keys {
                let until = self.cursors.get(key).and_then(|cursor| cursor.until).unwrap_or(end);
                by_end.entry(until.min(last)).or_default().push(key);
            }
            for (to, keys) in by_end {
                events += self.store(&page, to, is_replay, &keys).await?;
            }
        }
        Ok(events)
    }

    /// Stops webhooks at a commit that this release cannot read.
    async fn stop_all(&mut self, keys: &[CursorKey], problem: &str) -> Result<u64, PlanError> {
        for key in keys {
            let Some(cursor) = self.cursors.get_mut(key) else { continue };
            cursor.pause_until = Some(Instant::now() + STOPPED_PAUSE);
            cursor.stop(&self.sender.pool, &self.label, key, problem.to_owned()).await?;
        }
        self.report_stopped();
        Ok(0)
    }

    /// Stores the matching events of a page and the new position, in one transaction.
    async fn store(
        &mut self,
        page: &Page<'_>,
        to: i64,
        is_replay: bool,
        keys: &[&CursorKey],
    ) -> Result<u64, PlanError> {
        let webhooks: Vec<Arc<Active>> =
            keys.iter().filter_map(|key| Some(self.cursors.get(*key)?.webhook.clone())).collect();
        let planned = matching(page, to, &webhooks);
        let is_due = |cursor: &Cursor| {
            to - cursor.stored >= STORE_INTERVAL || cursor.until == Some(to) || cursor.problem.is_some()
        };
        let has_event = |webhook_id: &str| planned.iter().any(|planned| planned.webhook_id == webhook_id);
        let must_store: Vec<&CursorKey> = keys
            .iter()
            .filter(|key| has_event(&key.0) || self.cursors.get(**key).is_some_and(is_due))
            .copied()
            .collect();
        if !must_store.is_empty() {
            let mut transaction = self.sender.pool.begin().await?;
            for key in &must_store {
                let Some(cursor) = self.cursors.get(*key) else { continue };
                // Also the lock that keeps results of attempts out until the rows are there.
                let moved = query!(
                    "update webhook_cursors
                     set position = $5, problem = null
                     where webhook_id = $1 and stream = $2 and is_replay = $3 and incarnation = $4
                       and position = $6 and until is not distinct from $7",
                    key.0,
                    self.label,
                    is_replay,
                    self.incarnation,
                    to,
                    cursor.stored,
                    cursor.until
                );
                if moved.execute(&mut *transaction).await?.rows_affected() == 0 {
                    return Err(PlanError::Moved);
                }
            }
            let place = (self.label.as_str(), self.incarnation.as_str());
            let lifetime_s = self.sender.settings.lifetime_s();
            deliveries::insert(&mut transaction, place, &planned, is_replay, lifetime_s).await?;
            transaction.commit().await?;
        }
        for key in keys {
            let Some(cursor) = self.cursors.get_mut(*key) else { continue };
            cursor.position = to;
            if must_store.contains(key) {
                cursor.stored = to;
                cursor.problem = None;
            }
            let count = planned.iter().filter(|planned| planned.webhook_id == key.0).count();
            cursor.allowance -= i64::try_from(count).unwrap_or(i64::MAX);
        }
        self.report_stopped();
        Ok(planned.len() as u64)
    }
}

impl Drop for Planner {
    fn drop(&mut self) {
        self.sender.set_stopped(&self.label, 0);
    }
}

fn position(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
