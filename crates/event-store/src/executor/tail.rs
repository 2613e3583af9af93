//! The tail of a stream: gives the command-service all commits of the stream shortly after they are stored.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use wire::StreamName;

use crate::{
    codec::envelope::{RecordedCommit, RequestHash},
    executor::{
        error::EventStoreError,
        idempotency::{CommandLookup, Index},
    },
    log::{
        Freshness, Log, LogError,
        damage::Damage,
        follow::{FollowError, commit_id_at, follow},
    },
};

/// The longest time that a command waits for the tail.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The first pause before a damaged log is checked again. It doubles up to [`LONGEST_RECHECK`]. The log is intact again
/// after a change of leaders, and after an older copy was replaced by the right one.
const FIRST_RECHECK: Duration = Duration::from_secs(1);
const LONGEST_RECHECK: Duration = Duration::from_secs(8);

/// The maximum age of the leader's last sequence when a keyed command is looked up. It is far below the server's
/// duplicate window, which catches the repeats that were stored since.
const CONFIRMATION_TTL: Duration = Duration::from_secs(10);

/// The progress of a tail. Reported by readiness.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TailState {
    /// The sequence up to which everything has been read.
    pub sequence: u64,
    /// The last known sequence of the stream.
    pub end: u64,
    /// True if the whole idempotency window has been read and the stream is being followed.
    pub caught_up: bool,
    /// The incarnation of the stream.
    pub incarnation: Option<String>,
    /// The reason for which the stream cannot be read now.
    pub last_error: Option<String>,
    /// The damage that stops reading. The log is checked again from time to time.
    pub damage: Option<Damage>,
}

/// Follows one stream in the background until it is dropped.
pub(crate) struct Tail {
    log: Arc<dyn Log>,
    stream: StreamName,
    index: Arc<Mutex<Index>>,
    state: watch::Receiver<TailState>,
    reports: watch::Sender<TailState>,
    task: AbortHandle,
    /// The time of the last request to the leader up to whose answer the tail has read. A process that was frozen, or
    /// whose reading has stopped unnoticed, asks the leader again before it relies on the index.
    confirmed: Mutex<Option<Instant>>,
    confirming: tokio::sync::Mutex<()>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tail {
    /// Follows a stream from the beginning of the window, and passes each commit to the observer, in order. Calls
    /// `on_repaired` when a damaged log is intact again: cached states may come from the damaged one.
    pub(crate) fn start<F>(
        log: Arc<dyn Log>,
        stream: StreamName,
        window: TimeDelta,
        observer: impl Fn(RecordedCommit) -> F + Send + Sync + 'static,
        on_repaired: impl Fn() + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        // Ids and states of boxes are not encrypted, and a user's state is loaded by the next command.
        let log = log.as_stored().unwrap_or(log);
        let index = Arc::new(Mutex::new(Index::new(window)));
        let (reports, state) = watch::channel(TailState::default());
        let runner = Runner {
            log: log.clone(),
            stream,
            window,
            index: index.clone(),
            state: reports.clone(),
            observer,
            on_repaired,
            last: Mutex::default(),
        };
        let task = supervision::spawn("a tail of the log", async move { runner.run().await });
        let (confirmed, confirming) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { log, stream, index, state, reports, task, confirmed, confirming }
    }

    pub(crate) fn state(&self) -> TailState {
        self.state.borrow().clone()
    }

    /// Looks up a command among all commands stored before the last few seconds.
    pub(crate) async fn look_up(
        &self,
        message_id: &str,
        request: RequestHash,
    ) -> Result<CommandLookup, EventStoreError> {
        self.confirm().await?;
        Ok(self.index.lock().unwrap_or_else(PoisonError::into_inner).look_up(message_id, request))
    }

    /// Makes sure that the tail has read all commits stored before the last few seconds.
    pub(crate) async fn confirm(&self) -> Result<(), EventStoreError> {
        if self.is_confirmed() {
            return Ok(());
        }
        let _guard = self.confirming.lock().await;
        if self.is_confirmed() {
            return Ok(());
        }
        let asked_at = Instant::now();
        let end = self.log.state(self.stream).await?.last_sequence;
        self.wait_for_sequence(end).await?;
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked_at);
        Ok(())
    }

    fn is_confirmed(&self) -> bool {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.is_some_and(|asked_at| asked_at.elapsed() < CONFIRMATION_TTL)
    }

    /// The sequence up to which everything has been read.
    pub(crate) fn sequence(&self) -> u64 {
        self.state.borrow().sequence
    }

    /// Rejects a commit whose sequence had been read before it was sent: the log is an older copy.
    pub(crate) fn check_stored(&self, read: u64, sequence: u64) -> Result<(), EventStoreError> {
        if sequence > read {
            return Ok(());
        }
        let damage = Damage::Shortened { stream: self.stream, read, last: sequence };
        let reason = damage.to_string();
        report(&self.reports, damage);
        Err(EventStoreError::Unavailable { outcome_unknown: true, reason })
    }

    pub(crate) fn index_size(&self) -> usize {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until the window has been read and returns the stream's incarnation.
    pub(crate) async fn ready(&self) -> Result<String, EventStoreError> {
        self.wait_until(|state| state.caught_up).await?;
        Ok(self.state.borrow().incarnation.clone().unwrap_or_default())
    }

    /// Waits until everything up to a sequence has been read.
    pub(crate) async fn wait_for_sequence(&self, sequence: u64) -> Result<(), EventStoreError> {
        self.wait_until(|state| state.sequence >= sequence).await
    }

    async fn wait_until(&self, condition: impl Fn(&TailState) -> bool) -> Result<(), EventStoreError> {
        let mut state = self.state.clone();
        let result = timeout(WAIT_TIMEOUT, state.wait_for(|state| state.damage.is_some() || condition(state))).await;
        let behind = || EventStoreError::unavailable(format!("the tail of {} is behind", self.stream));
        match result {
            Ok(Ok(state)) => match &state.damage {
                Some(damage) => Err(damage.clone().into()),
                None => Ok(()),
            },
            _ => Err(behind()),
        }
    }
}

/// Stops commands to the stream until the log is intact again. Returns true if the damage is new.
fn report(state: &watch::Sender<TailState>, damage: Damage) -> bool {
    let is_new = state.borrow().damage.is_none();
    if is_new {
        tracing::error!(%damage, "the log is damaged: this partition accepts no commands");
    }
    state.send_modify(|state| {
        state.caught_up = false;
        state.damage = Some(damage);
    });
    is_new
}

struct Runner<O, G> {
    log: Arc<dyn Log>,
    stream: StreamName,
    window: TimeDelta,
    index: Arc<Mutex<Index>>,
    state: watch::Sender<TailState>,
    observer: O,
    on_repaired: G,
    /// The sequence and id of the last commit that was read. Another log has another commit there.
    last: Mutex<Option<(u64, String)>>,
}

impl<F, O, G> Runner<O, G>
where
    F: Future<Output = ()> + Send,
    O: Fn(RecordedCommit) -> F + Send + Sync,
    G: Fn() + Send + Sync,
{
    async fn run(self) {
        let mut pause = FIRST_RECHECK;
        loop {
            match self.follow().await {
                FollowError::Unavailable(error) => {
                    self.record_lag(&error);
                    sleep(Duration::from_millis(200)).await;
                }
                FollowError::Damaged(damage) => {
                    pause = if report(&self.state, damage) { FIRST_RECHECK } else { (pause * 2).min(LONGEST_RECHECK) };
                    sleep(pause).await;
                }
            }
        }
    }

    /// Records that the tail is behind: repeats of commands stored by other processes may be missing from the index.
    fn record_lag(&self, error: &LogError) {
        if self.state.borrow().last_error.is_none() {
            tracing::warn!(stream = %self.stream, %error, "the log cannot be followed now");
        }
        self.state.send_modify(|state| {
            state.caught_up = false;
            state.last_error = Some(error.to_string());
        });
    }

    async fn resume_from(&self) -> Result<u64, LogError> {
        let known = self.state.borrow().clone();
        match known.incarnation {
            Some(_) => Ok(known.sequence + 1),
            None => self.start_of_window().await,
        }
    }

    /// Returns the first sequence of the window. The window ends at the latest message, because the local clock may be
    /// wrong.
    async fn start_of_window(&self) -> Result<u64, LogError> {
        let last = self.log.state(self.stream).await?.last_sequence;
        if last == 0 {
            return Ok(1);
        }
        match self.log.get(self.stream, last, Freshness::Leader).await? {
            Some(newest) => self.log.first_since(self.stream, newest.stored_at - self.window).await,
            None => Ok(1),
        }
    }

    /// Records that the log is intact again and can be read on.
    fn clear_damage(&self) {
        tracing::warn!(stream = %self.stream, "the log is intact again: this partition accepts commands");
        self.state.send_modify(|state| state.damage = None);
    }

    /// Waits for damage detected by an append.
    async fn damage_reported(&self) -> Damage {
        let mut state = self.state.subscribe();
        let reported = state.wait_for(|state| state.damage.is_some()).await;
        match reported.ok().and_then(|state| state.damage.clone()) {
            Some(damage) => damage,
            None => std::future::pending().await,
        }
    }

    /// Compares the commit at the last known sequence of the log with the one that was read there.
    async fn check_last_commit(&self, from: u64) -> Result<(), FollowError> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sequence = from - 1;
        if sequence == 0 {
            return Ok(());
        }
        let found = commit_id_at(self.log.as_ref(), self.stream, sequence).await?;
        match (known, found) {
            (Some((at, id)), found) if at == sequence && found.as_ref() != Some(&id) => {
                Err(Damage::OtherIncarnation { stream: self.stream }.into())
            }
            (None, Some(id)) => {
                self.record_last(sequence, id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn record_last(&self, sequence: u64, commit_id: String) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((sequence, commit_id));
    }

    /// Follows the stream until an error.
    async fn follow(&self) -> FollowError {
        let from = match self.resume_from().await {
            Ok(from) => from,
            Err(error) => return error.into(),
        };
        let mut follower = match follow(self.log.clone(), self.stream, from).await {
            Ok(follower) => follower,
            Err(error) => return error,
        };
        let incarnation = follower.state().incarnation.clone();
        if self.state.borrow().incarnation.as_ref().is_some_and(|known| *known != incarnation) {
            return Damage::OtherIncarnation { stream: self.stream }.into();
        }
        if let Err(error) = self.check_last_commit(from).await {
            return error;
        }
        let mut was_damaged = self.state.borrow().damage.is_some();
        if was_damaged {
            (self.on_repaired)();
        }
        self.state.send_modify(|state| {
            state.incarnation = Some(incarnation);
            state.sequence = from - 1;
        });
        loop {
            let batch = tokio::select! {
                batch = follower.next_batch(1000, 4 << 20) => batch,
                damage = self.damage_reported(), if !was_damaged => return damage.into(),
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return error,
            };
            let last = batch.commits.last().map(|commit| (commit.sequence, commit.commit_id.clone()));
            let sequence = last.as_ref().map(|(sequence, _)| *sequence);
            for commit in batch.commits {
                self.index.lock().unwrap_or_else(PoisonError::into_inner).insert(&commit);
                (self.observer)(commit).await;
            }
            self.state.send_modify(|state| {
                state.sequence = sequence.unwrap_or(state.sequence);
                state.end = follower.end();
                state.caught_up |= batch.caught_up;
                state.last_error = None;
            });
            if was_damaged {
                self.clear_damage();
                was_damaged = false;
            }
            if let Some((sequence, commit_id)) = last {
                self.record_last(sequence, commit_id);
            }
        }
    }
}
