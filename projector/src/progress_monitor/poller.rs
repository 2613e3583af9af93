//! Reads the progress of the projection from log and database.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use event_store::{Log, LogError, log::Range};
use futures::{
    StreamExt,
    future::{join_all, try_join_all},
    stream::select_all,
};
use sqlx::{PgConnection, query, query_as};
use supervision::ticks::next_tick;
use tokio::time::{sleep, sleep_until, timeout};
use wire::{StreamName, streams};

use super::{Erasures, GenerationStatus, ProgressMonitor};
use crate::{control_changes::ControlChanges, database::Database, status::Track};

/// The interval of comparing connections to nats-server: notifications are lost between two.
const CONNECTION_INTERVAL: Duration = Duration::from_secs(1);

/// The number of further looks for a session that blocks the holder of a stalled stream, and the pause before each.
const CAUSE_REPEATS: usize = 4;
const CAUSE_PAUSE: Duration = Duration::from_millis(150);

/// Timeout of a database query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

/// The number of polls between two counts of quarantined boxes and commits.
const COUNT_EVERY: u32 = 3;

/// A generation, if there is one, and the pending erasures.
struct Row {
    pending: i64,
    since: Option<DateTime<Utc>>,
    generation: Option<i32>,
    state: Option<String>,
    phase: Option<String>,
    paused: Option<bool>,
}

impl Row {
    fn generation(self) -> Option<(i32, GenerationStatus)> {
        let status = GenerationStatus { state: self.state?, phase: self.phase?, paused: self.paused? };
        Some((self.generation?, status))
    }
}

/// The reason for which a stream is stalled, as far as the database knows.
struct Cause {
    /// True if another session blocks the holder.
    is_blocked: bool,
    description: String,
}

/// The connections and state of the polling task.
pub(super) struct Poller {
    database: Database,
    log: Arc<dyn Log>,
    partitions: u16,
    control: Option<PgConnection>,
    schemas: BTreeMap<i32, PgConnection>,
    polls: u32,
}

impl Poller {
    pub(super) fn new(database: Database, log: Arc<dyn Log>, partitions: u16) -> Self {
        Self { database, log, partitions, control: None, schemas: BTreeMap::new(), polls: 0 }
    }

    /// Observes log and database once. Returns true if quarantined boxes and commits were counted as well.
    pub(super) async fn poll(&mut self, watch: &ProgressMonitor) -> bool {
        self.poll_log(watch).await;
        if let Err(error) = self.poll_database(watch).await {
            // Other parts report that the database is unavailable; a failed connection is opened again.
            tracing::debug!(%error, "cannot read the progress of the projection");
            self.control = None;
        }
        self.poll_oldest_unprojected(watch).await;
        let has_counted = self.polls.is_multiple_of(COUNT_EVERY);
        self.polls = self.polls.wrapping_add(1);
        has_counted
    }

    /// Reads the ends of the streams. Returns true if every growth of them is notified.
    async fn poll_log(&self, watch: &ProgressMonitor) -> bool {
        let mut is_notified = true;
        let states = streams(self.partitions).into_iter().map(async |stream| (stream, self.log.state(stream).await));
        for (stream, state) in join_all(states).await {
            is_notified &= state.as_ref().is_ok_and(|state| state.is_notified);
            let Ok(state) = state else { continue };
            let mut observations = watch.observations();
            observations.ends.insert(stream, state.last_sequence);
            let progress = observations.progress.iter_mut().filter(|((_, of), _)| *of == stream);
            progress.for_each(|(_, progress)| progress.set_end(state.last_sequence));
        }
        is_notified
    }

    /// Waits until a stream grows or a control table changes. Returns after a limited time in any case, and at once if
    /// the growth of streams may not be noticed.
    pub(super) async fn wait_for_growth(&mut self, watch: &ProgressMonitor, changes: &mut ControlChanges) {
        let notifications = streams(self.partitions).into_iter().map(|stream| self.log.notifications(stream));
        let Ok(notifications) = try_join_all(notifications).await else { return };
        let mut stored = select_all(notifications);
        let connection = self.log.connection();
        // What was stored before the subscription is seen here.
        let is_notified = self.poll_log(watch).await;
        if is_notified && watch.is_quiet() {
            let lost = async {
                while self.log.connection() == connection {
                    sleep_until(next_tick(CONNECTION_INTERVAL)).await;
                }
            };
            tokio::select! {
                _ = stored.next() => {}
                () = changes.wait() => {}
                () = lost => {}
            }
        }
        // The next poll reads the ends and counts.
        self.polls = 0;
    }

    async fn poll_database(&mut self, watch: &ProgressMonitor) -> Result<(), sqlx::Error> {
        let control = match &mut self.control {
            Some(control) => control,
            none => none.insert(self.database.control().await?),
        };
        let rows = query_as!(
            Row,
            r#"select pending as "pending!", since, generation as "generation?", state as "state?", phase as "phase?",
                 paused as "paused?"
               from (
                 select count(*) as pending, min(seen_at) as since from control.erasures where finished_at is null
               ) as erasures
               left join control.generations on state <> 'retired' and model_version = $1"#,
            read_model::version()
        );
        let rows = with_timeout(rows.fetch_all(&mut *control)).await?;
        let erasures = rows.first().map(|row| Erasures { pending: row.pending.cast_unsigned(), since: row.since });
        let generations: BTreeMap<i32, GenerationStatus> = rows.into_iter().filter_map(Row::generation).collect();
        self.schemas.retain(|number, _| generations.contains_key(number));
        let numbers: Vec<i32> = generations.keys().copied().collect();
        {
            let mut observations = watch.observations();
            observations.progress.retain(|(number, _), _| generations.contains_key(number));
            observations.generations = generations;
            observations.erasures = erasures.unwrap_or_default();
        }
        for number in numbers {
            if let Err(error) = self.poll_generation(watch, number).await {
                tracing::debug!(%error, generation = number, "cannot read the progress of the projection");
                self.schemas.remove(&number);
            }
        }
        let stalled: Vec<Track> =
            watch.progress().iter().filter(|(_, progress)| progress.is_stalled()).map(|(track, _)| *track).collect();
        for track in stalled {
            let mut cause = self.cause(track).await?;
            // A blocked writer tries again and again, and is not blocked between two attempts.
            for _ in 0..CAUSE_REPEATS {
                if cause.as_ref().is_some_and(|cause| cause.is_blocked) {
                    break;
                }
                sleep(CAUSE_PAUSE).await;
                cause = self.cause(track).await?;
            }
            let cause = cause.map(|cause| cause.description);
            if let Some(progress) = watch.observations().progress.get_mut(&track) {
                progress.cause = cause;
            }
        }
        Ok(())
    }

    async fn poll_generation(&mut self, watch: &ProgressMonitor, number: i32) -> Result<(), sqlx::Error> {
        if !self.schemas.contains_key(&number) {
            self.schemas.insert(number, self.database.generation(number).await?);
        }
        let Some(connection) = self.schemas.get_mut(&number) else { return Ok(()) };
        let checkpoints = query!("select stream, position from checkpoints").fetch_all(&mut *connection);
        for row in with_timeout(checkpoints).await? {
            let Ok(stream) = row.stream.parse::<StreamName>() else { continue };
            let mut observations = watch.observations();
            let end = observations.ends.get(&stream).copied().unwrap_or_default();
            let progress = observations.progress.entry((number, stream)).or_default();
            progress.set_position(row.position.cast_unsigned());
            progress.set_end(end);
        }
        if self.polls.is_multiple_of(COUNT_EVERY) {
            let counts = query!(
                r#"select stream, count(distinct q.box_id) as "boxes!", count(p.box_id) as "commits!"
                   from quarantined_boxes q
                   left join parked_events p on p.box_id = q.box_id
                   group by stream"#
            );
            let counts = with_timeout(counts.fetch_all(connection)).await?;
            for ((_, stream), progress) in watch.observations().progress.iter_mut().filter(|((of, _), _)| *of == number)
            {
                let row = counts.iter().find(|row| row.stream == stream.label());
                progress.quarantined = row.map_or(0, |row| row.boxes.cast_unsigned());
                progress.waiting_commits = row.map_or(0, |row| row.commits.cast_unsigned());
            }
        }
        Ok(())
    }

    /// Describes the holder of the stream and the database sessions that block it.
    async fn cause(&mut self, (number, stream): Track) -> Result<Option<Cause>, sqlx::Error> {
        let Some(control) = &mut self.control else { return Ok(None) };
        let label = stream.label();
        let row = query!(
            r#"select
                 l.holder,
                 (
                   select string_agg(distinct blocker::text, ', ')
                   from pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) as blocker
                   where a.application_name = l.holder
                 ) as blockers
               from control.leases l
               where l.generation = $1
                 and l.stream = $2"#,
            number,
            label
        );
        let row = with_timeout(row.fetch_optional(control)).await?;
        let (is_blocked, description) = match row.map(|row| (row.holder, row.blockers)) {
            Some((holder, Some(blockers))) => (true, format!("{holder} waits for database session {blockers}")),
            Some((holder, None)) => (false, format!("{holder} holds the lease and waits for no other session")),
            None => (false, "no projector holds the lease".to_owned()),
        };
        Ok(Some(Cause { is_blocked, description }))
    }

    /// Reads the time at which the oldest unprojected commit of each stream was stored.
    async fn poll_oldest_unprojected(&self, watch: &ProgressMonitor) {
        let mut known: HashMap<(StreamName, u64), Option<DateTime<Utc>>> = HashMap::new();
        for ((number, stream), progress) in watch.progress() {
            if progress.position >= progress.end {
                continue;
            }
            let at = (stream, progress.position);
            let stored = match known.get(&at) {
                Some(stored) => *stored,
                None => self.first_after(stream, progress.position).await.unwrap_or_default(),
            };
            known.insert(at, stored);
            if let Some(progress) = watch.observations().progress.get_mut(&(number, stream)) {
                progress.waiting_since = stored;
            }
        }
    }

    async fn first_after(&self, stream: StreamName, position: u64) -> Result<Option<DateTime<Utc>>, LogError> {
        let range = Range { stream, from: position + 1, subject: None, max_messages: 1, max_bytes: 1 };
        Ok(self.log.read(range).await?.first().map(|recorded| recorded.stored_at))
    }
}

async fn with_timeout<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(QUERY_TIMEOUT, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
