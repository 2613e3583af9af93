//! Plans the events of a stream: copies the positions of matching events of the log into rows, for each webhook.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use event_store::{Damage, FollowError, Follower, Log, LogError, RecordedCommit, follow, log::Range};
use futures::FutureExt;
use sqlx::{PgPool, query, query_scalar};
use tokio::time::{Instant, sleep, sleep_until};
use wire::{Source, StreamName};

use super::registry::{self, Active};
use crate::metrics::METRICS;

/// The size of a page of the log.
const PAGE_MESSAGES: usize = 500;
const PAGE_BYTES: usize = 1024 * 1024;

/// The number of commits without a matching event after which a position is stored.
const STORE_INTERVAL: i64 = 1_000;

/// The maximum number of events of a webhook that wait in a stream. The rest stays in the log.
const MAX_PENDING: i64 = 20_000;

/// The pause before the waiting events of a full webhook are counted again, and before a replica is read again.
const RECOUNT: Duration = Duration::from_secs(1);
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

/// A webhook, or its replay.
type Key = (String, bool);

/// The position of a webhook or of its replay.
#[derive(Debug)]
struct Cursor {
    webhook: Arc<Active>,
    /// As in the database.
    stored: i64,
    /// Commits up to here contain no further matching event.
    position: i64,
    /// The last position of a replay.
    until: Option<i64>,
    /// The number of events that may be planned before the waiting ones are counted again.
    allowance: i64,
    full_until: Option<Instant>,
}

/// An event of a page that a webhook gets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Planned {
    webhook_id: String,
    box_id: String,
    position: i64,
    index: i32,
}

/// Plans the events of one stream, in the one notifier that holds its lock.
pub(crate) struct Planner {
    pool: PgPool,
    log: Arc<dyn Log>,
    stream: StreamName,
    label: String,
    incarnation: String,
    follower: Follower,
    cursors: BTreeMap<Key, Cursor>,
    lifetime_s: i64,
}

impl Planner {
    /// Opens the planner at the end of the log, if there are active webhooks. Those of another incarnation of the
    /// stream begin at its end.
    pub(crate) async fn open(
        pool: &PgPool,
        log: &Arc<dyn Log>,
        stream: StreamName,
        lifetime_s: i64,
    ) -> Result<Option<Self>, PlanError> {
        if registry::active(pool).await?.is_empty() {
            return Ok(None);
        }
        let end = log.state(stream).await?.last_sequence;
        let follower = follow(log.clone(), stream, end + 1).await?;
        let incarnation = follower.state().incarnation.clone();
        let mut planner = Self {
            pool: pool.clone(),
            log: log.clone(),
            label: stream.label(),
            stream,
            incarnation,
            follower,
            cursors: BTreeMap::new(),
            lifetime_s,
        };
        planner.begin_again_in_other_logs().await?;
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

    /// Reads the registered webhooks and their positions again. Returns false if none is active.
    pub(crate) async fn reload(&mut self) -> Result<bool, PlanError> {
        let active = registry::active(&self.pool).await?;
        let webhooks: BTreeMap<String, Arc<Active>> =
            active.into_iter().map(|webhook| (webhook.webhook_id.clone(), Arc::new(webhook))).collect();
        let rows = query!(
            "select webhook_id, is_replay, position, until
             from webhook_cursors
             where stream = $1 and incarnation = $2",
            self.label,
            self.incarnation
        );
        let mut former = std::mem::take(&mut self.cursors);
        for row in rows.fetch_all(&self.pool).await? {
            let Some(webhook) = webhooks.get(&row.webhook_id) else { continue };
            let key = (row.webhook_id, row.is_replay);
            let known = former.remove(&key).filter(|known| known.stored == row.position && known.until == row.until);
            let cursor = known.unwrap_or(Cursor {
                webhook: webhook.clone(),
                stored: row.position,
                position: row.position,
                until: row.until,
                allowance: 0,
                full_until: None,
            });
            self.cursors.insert(key, cursor);
        }
        Ok(!webhooks.is_empty())
    }

    /// Gives up events of another incarnation of the stream, whose content is lost.
    async fn begin_again_in_other_logs(&mut self) -> Result<(), PlanError> {
        let mut transaction = self.pool.begin().await?;
        let end = i64::try_from(self.follower.state().last_sequence).unwrap_or(i64::MAX);
        let moved = query!(
            "update webhook_cursors
             set incarnation = $2, position = $3, until = case when is_replay then $3::bigint end
             where stream = $1 and incarnation <> $2",
            self.label,
            self.incarnation,
            end
        );
        if moved.execute(&mut *transaction).await?.rows_affected() > 0 {
            tracing::warn!(stream.label = self.label, position = end, "webhooks begin at the end of another log");
        }
        // A log with more partitions has streams that no webhook has read.
        query!(
            "insert into webhook_cursors (webhook_id, stream, is_replay, incarnation, position)
             select webhook_id, $1, false, $2, $3
             from webhooks
             on conflict do nothing",
            self.label,
            self.incarnation,
            end
        )
        .execute(&mut *transaction)
        .await?;
        query!(
            "update webhook_events
             set state = 'dead', detail = 'the log was replaced', updated_at = now()
             where stream = $1 and incarnation <> $2 and state in ('queued', 'waiting', 'sending')",
            self.label,
            self.incarnation
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Plans the next page of each webhook that is behind, and waits if there is none. Returns the number of planned
    /// events. Cancellation-safe while it waits.
    pub(crate) async fn step(&mut self) -> Result<u64, PlanError> {
        // Takes the announcements so far, so that a long replay does not delay the live events.
        if let Some(batch) = self.follower.next_batch(PAGE_MESSAGES, PAGE_BYTES).now_or_never() {
            drop(batch?);
        }
        let end = i64::try_from(self.follower.end()).unwrap_or(i64::MAX);
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
    async fn behind(&mut self, end: i64) -> Result<BTreeMap<i64, Vec<Key>>, PlanError> {
        let mut behind: BTreeMap<i64, Vec<Key>> = BTreeMap::new();
        for (key, cursor) in &mut self.cursors {
            if cursor.position >= cursor.until.unwrap_or(end).min(end) {
                continue;
            }
            if cursor.allowance <= 0 && cursor.full_until.is_none_or(|until| until <= Instant::now()) {
                cursor.allowance = MAX_PENDING - pending(&self.pool, &self.label, key).await?;
                cursor.full_until = (cursor.allowance <= 0).then(|| Instant::now() + RECOUNT);
            }
            if cursor.allowance > 0 {
                behind.entry(cursor.position).or_default().push(key.clone());
            }
        }
        Ok(behind)
    }

    /// Waits for commits, or until a full webhook may have room again.
    async fn wait(&mut self) -> Result<(), PlanError> {
        let recount_at = self.cursors.values().filter_map(|cursor| cursor.full_until).min();
        tokio::select! {
            // The commits themselves are read page by page.
            batch = self.follower.next_batch(PAGE_MESSAGES, PAGE_BYTES) => drop(batch?),
            () = async {
                match recount_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
        Ok(())
    }

    async fn plan_page(&mut self, position: i64, end: i64, keys: &[Key]) -> Result<u64, PlanError> {
        let from = u64::try_from(position).unwrap_or_default() + 1;
        let (max_messages, max_bytes) = (PAGE_MESSAGES, PAGE_BYTES);
        let page = self.log.read(Range { stream: self.stream, from, subject: None, max_messages, max_bytes }).await?;
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
        let last = position + i64::try_from(commits.len()).unwrap_or_default();
        let mut events = 0;
        for is_replay in [false, true] {
            let keys: Vec<&Key> = keys.iter().filter(|(_, replays)| *replays == is_replay).collect();
            // Replays that end within the page do not share it.
            let mut by_end: BTreeMap<i64, Vec<&Key>> = BTreeMap::new();
            for key in keys {
                let until = self.cursors.get(key).and_then(|cursor| cursor.until).unwrap_or(end);
                by_end.entry(until.min(last)).or_default().push(key);
            }
            for (to, keys) in by_end {
                events += self.store(&commits, to, is_replay, &keys).await?;
            }
        }
        Ok(events)
    }

    /// Stores the matching events of a page and the new position, in one transaction.
    async fn store(
        &mut self,
        commits: &[RecordedCommit],
        to: i64,
        is_replay: bool,
        keys: &[&Key],
    ) -> Result<u64, PlanError> {
        let webhooks: Vec<Arc<Active>> =
            keys.iter().filter_map(|key| Some(self.cursors.get(*key)?.webhook.clone())).collect();
        let planned = matching(commits, to, &webhooks);
        let is_due = |cursor: &Cursor| to - cursor.stored >= STORE_INTERVAL || cursor.until == Some(to);
        let has_event = |webhook_id: &str| planned.iter().any(|planned| planned.webhook_id == webhook_id);
        let must_store: Vec<&Key> = keys
            .iter()
            .filter(|key| has_event(&key.0) || self.cursors.get(**key).is_some_and(is_due))
            .copied()
            .collect();
        if !must_store.is_empty() {
            let mut transaction = self.pool.begin().await?;
            for key in &must_store {
                let Some(cursor) = self.cursors.get(*key) else { continue };
                // Also the lock that keeps results of attempts out until the rows are there.
                let moved = query!(
                    "update webhook_cursors
                     set position = $5
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
            self.insert(&mut transaction, &planned, is_replay).await?;
            transaction.commit().await?;
        }
        for key in keys {
            let Some(cursor) = self.cursors.get_mut(*key) else { continue };
            cursor.position = to;
            if must_store.contains(key) {
                cursor.stored = to;
            }
            let count = planned.iter().filter(|planned| planned.webhook_id == key.0).count();
            cursor.allowance -= i64::try_from(count).unwrap_or(i64::MAX);
        }
        Ok(planned.len() as u64)
    }

    /// Inserts events. The first of each box waits for an attempt, the others for the one before.
    async fn insert(
        &mut self,
        connection: &mut sqlx::PgConnection,
        planned: &[Planned],
        is_replay: bool,
    ) -> Result<(), sqlx::Error> {
        if planned.is_empty() {
            return Ok(());
        }
        let webhook_ids: Vec<String> = planned.iter().map(|planned| planned.webhook_id.clone()).collect();
        let box_ids: Vec<String> = planned.iter().map(|planned| planned.box_id.clone()).collect();
        let positions: Vec<i64> = planned.iter().map(|planned| planned.position).collect();
        let indexes: Vec<i32> = planned.iter().map(|planned| planned.index).collect();
        query!(
            "insert into webhook_events
               (webhook_id, stream, is_replay, incarnation, position, index, box_id, state, expires_at)
             select
               planned.webhook_id,
               $1,
               $2,
               $3,
               planned.position,
               planned.index,
               planned.box_id,
               case
                 when row_number() over (
                   partition by planned.webhook_id, planned.box_id
                   order by planned.position, planned.index
                 ) = 1
                 and not exists (
                   select
                   from webhook_events former
                   where former.webhook_id = planned.webhook_id
                     and former.is_replay = $2
                     and former.box_id = planned.box_id
                     and former.state in ('queued', 'waiting', 'sending')
                 ) then 'waiting'
                 else 'queued'
               end,
               now() + $8::bigint * interval '1 s'
             from unnest($4::text[], $5::text[], $6::bigint[], $7::int[])
               as planned (webhook_id, box_id, position, index)
             on conflict do nothing",
            self.label,
            is_replay,
            self.incarnation,
            &webhook_ids,
            &box_ids,
            &positions,
            &indexes,
            self.lifetime_s
        )
        .execute(&mut *connection)
        .await?;
        // The first event of a box may be that of a former replay, which was done in the meantime.
        query!(
            "update webhook_events first
             set state = 'waiting', next_at = now()
             from (
               select distinct on (webhook_id, box_id) webhook_id, box_id, incarnation, position, index
               from webhook_events queued
               where webhook_id = any($1)
                 and box_id = any($2)
                 and stream = $3
                 and is_replay = $4
                 and state = 'queued'
               order by webhook_id, box_id, position, index
             ) as queued
             where (first.webhook_id, first.incarnation, first.position, first.index)
               = (queued.webhook_id, queued.incarnation, queued.position, queued.index)
               and first.stream = $3
               and first.is_replay = $4
               and not exists (
                 select
                 from webhook_events former
                 where former.webhook_id = first.webhook_id
                   and former.is_replay = $4
                   and former.box_id = first.box_id
                   and former.state in ('waiting', 'sending')
               )",
            &webhook_ids,
            &box_ids,
            self.label,
            is_replay
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Returns the number of events of a webhook that are not done, up to the maximum.
async fn pending(pool: &PgPool, stream: &str, (webhook_id, is_replay): &Key) -> Result<i64, sqlx::Error> {
    let count = query_scalar!(
        r#"select count(*) as "count!"
           from (
             select
             from webhook_events
             where webhook_id = $1
               and stream = $2
               and is_replay = $3
               and state in ('queued', 'waiting', 'sending')
             limit $4
           ) as pending"#,
        webhook_id,
        stream,
        is_replay,
        MAX_PENDING
    );
    count.fetch_one(pool).await
}

/// Returns the events up to a position that the webhooks get. A commit that is not readable has none.
fn matching(commits: &[RecordedCommit], to: i64, webhooks: &[Arc<Active>]) -> Vec<Planned> {
    let mut planned = Vec::new();
    for commit in commits {
        let position = i64::try_from(commit.sequence).unwrap_or(i64::MAX);
        let (Source::Room { box_id } | Source::Talk { box_id }) = &commit.source else { continue };
        if position > to {
            break;
        }
        let types = commit.event_types().unwrap_or_else(|error| {
            tracing::warn!(stream.position = position, box.id = %box_id, %error, "a commit has no webhooks");
            Vec::new()
        });
        for (event_type, index) in types.iter().zip(0..) {
            let wanted = webhooks.iter().filter(|webhook| webhook.wants(event_type, box_id.as_str()));
            planned.extend(wanted.map(|webhook| Planned {
                webhook_id: webhook.webhook_id.clone(),
                box_id: box_id.to_string(),
                position,
                index,
            }));
        }
    }
    planned
}
