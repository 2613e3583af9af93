//! The tail of a stream: what the command-service must know of everything that is being stored.

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

use crate::{
    damage::Damage,
    envelope::{RecordedCommit, RequestHash},
    error::EventStoreError,
    follow::{FollowError, follow},
    index::{Index, Known},
    log::{Freshness, Log, LogError},
    stream::StreamName,
};

/// How long a command waits for the tail.
const PATIENCE: Duration = Duration::from_secs(2);

/// The greatest age of the leader's word on the end of the stream when a keyed command is looked up. Far below the
/// server's duplicate window, which catches the repeats that were stored since.
const CONFIRMED_FOR: Duration = Duration::from_secs(10);

/// How far a tail has come. Shown by readiness.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TailState {
    /// Everything up to here is known.
    pub sequence: u64,
    /// The end of the stream, as far as it is known.
    pub end: u64,
    /// Whether everything of the idempotency window has been read, and the stream is being followed at this moment.
    pub caught_up: bool,
    /// Which life of the stream is being read.
    pub incarnation: Option<String>,
    /// Why nothing can be read at this moment.
    pub trouble: Option<String>,
    /// Why nothing will be read any more.
    pub damage: Option<Damage>,
}

/// Follows one stream in the background until it is dropped.
pub(crate) struct Tail {
    log: Arc<dyn Log>,
    stream: StreamName,
    index: Arc<Mutex<Index>>,
    state: watch::Receiver<TailState>,
    task: AbortHandle,
    /// The time of the last question to the leader whose answer has been read up to. A process that was frozen, or whose
    /// reading has stopped unnoticed, asks again before it believes what it has read.
    confirmed: Mutex<Option<Instant>>,
    confirming: tokio::sync::Mutex<()>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tail {
    /// Follows a stream from the beginning of the window, and shows each commit to the observer, in order.
    pub(crate) fn start<F>(
        log: Arc<dyn Log>,
        stream: StreamName,
        window: TimeDelta,
        observer: impl Fn(RecordedCommit) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        // Neither ids nor the states of boxes are sealed, and a user's state is folded when it is asked for.
        let log = log.as_stored().unwrap_or(log);
        let index = Arc::new(Mutex::new(Index::new(window)));
        let (sender, state) = watch::channel(TailState::default());
        let runner = Runner { log: log.clone(), stream, window, index: index.clone(), state: sender, observer };
        let task = tokio::spawn(async move { runner.run().await }).abort_handle();
        Self { log, stream, index, state, task, confirmed: Mutex::default(), confirming: tokio::sync::Mutex::default() }
    }

    pub(crate) fn state(&self) -> TailState {
        self.state.borrow().clone()
    }

    /// Looks a command up among all that were stored before the last few seconds.
    pub(crate) async fn look_up(&self, message_id: &str, request: RequestHash) -> Result<Known, EventStoreError> {
        self.confirm().await?;
        Ok(self.index.lock().unwrap_or_else(PoisonError::into_inner).look_up(message_id, request))
    }

    async fn confirm(&self) -> Result<(), EventStoreError> {
        if self.is_confirmed() {
            return Ok(());
        }
        let _turn = self.confirming.lock().await;
        if self.is_confirmed() {
            return Ok(());
        }
        let asked_at = Instant::now();
        let end = self.log.state(self.stream).await?.last_sequence;
        self.reached(end).await?;
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked_at);
        Ok(())
    }

    fn is_confirmed(&self) -> bool {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.is_some_and(|asked_at| asked_at.elapsed() < CONFIRMED_FOR)
    }

    pub(crate) fn remembered(&self) -> usize {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until the window has been read; returns the stream's incarnation.
    pub(crate) async fn ready(&self) -> Result<String, EventStoreError> {
        self.wait(|state| state.caught_up).await?;
        Ok(self.state.borrow().incarnation.clone().unwrap_or_default())
    }

    /// Waits until everything up to a sequence is known.
    pub(crate) async fn reached(&self, sequence: u64) -> Result<(), EventStoreError> {
        self.wait(|state| state.sequence >= sequence).await
    }

    async fn wait(&self, arrived: impl Fn(&TailState) -> bool) -> Result<(), EventStoreError> {
        let mut state = self.state.clone();
        let reached = timeout(PATIENCE, state.wait_for(|state| state.damage.is_some() || arrived(state))).await;
        let behind = || EventStoreError::unavailable(format!("{} has not been read so far", self.stream));
        match reached {
            Ok(Ok(state)) => match &state.damage {
                Some(damage) => Err(EventStoreError::Corrupt { reason: damage.to_string() }),
                None => Ok(()),
            },
            _ => Err(behind()),
        }
    }
}

struct Runner<O> {
    log: Arc<dyn Log>,
    stream: StreamName,
    window: TimeDelta,
    index: Arc<Mutex<Index>>,
    state: watch::Sender<TailState>,
    observer: O,
}

impl<F: Future<Output = ()> + Send, O: Fn(RecordedCommit) -> F + Send + Sync> Runner<O> {
    async fn run(self) {
        loop {
            match self.follow().await {
                FollowError::Unavailable(error) => {
                    self.lag(&error);
                    sleep(Duration::from_millis(200)).await;
                }
                FollowError::Damaged(damage) => {
                    tracing::error!(stream = %self.stream, %damage, "the log is damaged: this partition takes no commands");
                    self.state.send_modify(|state| state.damage = Some(damage));
                    return;
                }
            }
        }
    }

    /// Repeats that others have carried out meanwhile may be unknown here until the stream is read again.
    fn lag(&self, error: &LogError) {
        if self.state.borrow().trouble.is_none() {
            tracing::warn!(stream = %self.stream, %error, "the log cannot be followed now");
        }
        self.state.send_modify(|state| {
            state.caught_up = false;
            state.trouble = Some(error.to_string());
        });
    }

    async fn resume_from(&self) -> Result<u64, LogError> {
        let known = self.state.borrow().clone();
        match known.incarnation {
            Some(_) => Ok(known.sequence + 1),
            None => self.start_of_window().await,
        }
    }

    /// The first sequence of the window, which ends at the newest message: the local clock may be wrong.
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

    /// Follows for as long as it goes.
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
        self.state.send_modify(|state| {
            state.incarnation = Some(incarnation);
            state.sequence = from - 1;
        });
        loop {
            let batch = match follower.next_batch(1000, 4 << 20).await {
                Ok(batch) => batch,
                Err(error) => return error,
            };
            let last = batch.commits.last().map(|commit| commit.sequence);
            for commit in batch.commits {
                self.index.lock().unwrap_or_else(PoisonError::into_inner).insert(&commit);
                (self.observer)(commit).await;
            }
            self.state.send_modify(|state| {
                state.sequence = last.unwrap_or(state.sequence);
                state.end = follower.end();
                state.caught_up |= batch.caught_up;
                state.trouble = None;
            });
        }
    }
}
