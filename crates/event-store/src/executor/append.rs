//! Judges the answers to all attempts of one append. It is the same for one server and for a cluster.

use std::time::Duration;

use storage::SpaceLimit;
use tokio::time::{Instant, sleep};
use wire::subject;

use crate::{
    codec::envelope::header,
    log::{Attempt, EncryptError, Freshness, Log, LogError, NewMessage, Range, Recorded},
    metrics::METRICS,
};

/// The timeouts of an append.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The timeout of the first attempt. It doubles with each unanswered one.
    pub first: Duration,
    /// The longest timeout of an attempt.
    pub each: Duration,
    /// The longest duration of all attempts together.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), each: Duration::from_secs(2), total: Duration::from_secs(10) }
    }
}

impl RetryPolicy {
    fn attempt_timeout(&self, unanswered: u32) -> Duration {
        self.first.saturating_mul(1 << unanswered.min(8)).min(self.each)
    }
}

/// The message is in the log.
#[derive(Debug)]
pub struct Appended {
    /// The sequence of the message. For a batch, that of the last message.
    pub sequence: u64,
    /// The stored commit, if another attempt or instance stored the same command before.
    pub earlier: Option<Recorded>,
}

/// The message was not appended, or the outcome is unknown.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The guard did not hold: certainly not appended. Decide again.
    #[error("the subject was changed at the same time")]
    Conflict,
    /// The id belongs to another command: certainly not appended.
    #[error("the message id was used for another command")]
    IdTaken,
    /// Other appends held the guard at every attempt: certainly not appended.
    #[error("too many appends at once")]
    Busy,
    /// The server has no space for it: certainly not appended.
    #[error("the log has no space left: {0}")]
    Full(SpaceLimit),
    /// The log could not be reached.
    #[error("the log cannot be reached: {reason}")]
    Unavailable {
        /// True if it may have been appended nevertheless. Resending with the same id settles it.
        outcome_unknown: bool,
        /// The last error.
        reason: String,
    },
    /// The author was erased: certainly not appended.
    #[error("the user was erased")]
    Erased,
    /// The log rejects the message for good, or is damaged.
    #[error("the log rejected the message")]
    Refused(#[source] LogError),
}

impl From<EncryptError> for AppendError {
    fn from(error: EncryptError) -> Self {
        match error {
            EncryptError::Erased => Self::Erased,
            EncryptError::Full(space_limit) => Self::Full(space_limit),
            error @ (EncryptError::Key(_) | EncryptError::Cipher) => {
                Self::Unavailable { outcome_unknown: false, reason: error.to_string() }
            }
        }
    }
}

/// Appends one message, or several as one atomic batch that the last one represents.
///
/// Resends unchanged (same id, same guard) while the outcome is unknown. This is safe within the duplicate window.
pub async fn append(log: &dyn Log, messages: &[NewMessage], policy: &RetryPolicy) -> Result<Appended, AppendError> {
    let [.., message] = messages else {
        return Err(AppendError::Refused(LogError::Rejected { code: 0, description: "nothing to append".into() }));
    };
    let started_at = std::time::Instant::now();
    let result = append_with_retries(log, messages, message, policy).await;
    METRICS.appended(message.stream, started_at, outcome(&result));
    result
}

/// The outcome in metrics.
fn outcome(result: &Result<Appended, AppendError>) -> &'static str {
    match result {
        Ok(Appended { earlier: None, .. }) => "acknowledged",
        Ok(Appended { earlier: Some(_), .. }) => "duplicate",
        Err(AppendError::Conflict) => "conflict",
        Err(AppendError::IdTaken) => "id_taken",
        Err(AppendError::Busy) => "busy",
        Err(AppendError::Full(_)) => "full",
        Err(AppendError::Unavailable { outcome_unknown: true, .. }) => "unknown",
        Err(AppendError::Unavailable { outcome_unknown: false, .. }) => "unavailable",
        Err(AppendError::Erased) => "erased",
        Err(AppendError::Refused(_)) => "refused",
    }
}

async fn append_with_retries(
    log: &dyn Log,
    messages: &[NewMessage],
    message: &NewMessage,
    policy: &RetryPolicy,
) -> Result<Appended, AppendError> {
    let deadline = Instant::now() + policy.total;
    let messages = log.encrypt(messages).await?;
    let mut progress = Progress::default();
    loop {
        // A process that was frozen may resume long after the duplicate window has passed.
        if Instant::now() >= deadline {
            return Err(progress.timed_out());
        }
        let attempt = log.attempt(&messages, policy.attempt_timeout(progress.unanswered)).await;
        match progress.evaluate(log, message, attempt).await {
            Ok(Some(appended)) => return Ok(appended),
            Ok(None) if Instant::now() < deadline => progress.pause().await,
            Ok(None) => return Err(progress.timed_out()),
            Err(error) => return Err(error),
        }
    }
}

/// The progress of an append after some attempts.
#[derive(Default)]
struct Progress {
    unanswered: u32,
    reason: Option<String>,
}

impl Progress {
    /// Judges the answer to an attempt. `Ok(None)` means: send again.
    async fn evaluate(
        &mut self,
        log: &dyn Log,
        message: &NewMessage,
        attempt: Attempt,
    ) -> Result<Option<Appended>, AppendError> {
        let found = match attempt {
            Attempt::Stored { sequence } => return Ok(Some(Appended { sequence, earlier: None })),
            Attempt::Rejected { code, description } => {
                let refused = AppendError::Refused(LogError::Rejected { code, description });
                return self.refused(log, message, refused).await.map(Some);
            }
            Attempt::Full(space_limit) => {
                return self.refused(log, message, AppendError::Full(space_limit)).await.map(Some);
            }
            Attempt::Dropped => return self.dropped(log, message).await,
            Attempt::WrongLastSequence if self.unanswered == 0 => return Err(AppendError::Conflict),
            Attempt::Busy => return Ok(None),
            Attempt::Unknown { reason } => return Ok(self.unknown(reason)),
            Attempt::NotSent => {
                log.reachable().await.map_err(|error| self.unreachable(&error))?;
                return Ok(None);
            }
            Attempt::Duplicate { sequence } => log.get(message.stream, sequence, Freshness::Leader).await,
            Attempt::WrongLastSequence => match find_own(log, message, expected(message)).await {
                Ok(None) => return Err(AppendError::Conflict),
                found => found,
            },
            Attempt::KnownIdInBatch => find_own(log, message, 0).await,
        };
        match found {
            Ok(Some(recorded)) => accept_recorded(message, recorded).map(Some),
            Ok(None) => Err(AppendError::IdTaken),
            Err(LogError::Unavailable(reason)) => Ok(self.unknown(reason)),
            Err(error) => Err(AppendError::Refused(error)),
        }
    }

    /// Handles a refusal. It concerns one attempt only: an earlier unanswered one may have been stored.
    async fn refused(
        &self,
        log: &dyn Log,
        message: &NewMessage,
        refusal: AppendError,
    ) -> Result<Appended, AppendError> {
        if self.unanswered == 0 {
            return Err(refusal);
        }
        let reason = refusal.to_string();
        match find_own(log, message, expected(message)).await {
            Ok(Some(recorded)) => accept_recorded(message, recorded),
            Ok(None) | Err(_) => Err(AppendError::Unavailable { outcome_unknown: true, reason }),
        }
    }

    async fn dropped(&mut self, log: &dyn Log, message: &NewMessage) -> Result<Option<Appended>, AppendError> {
        match find_own(log, message, expected(message)).await {
            Ok(Some(recorded)) => accept_recorded(message, recorded).map(Some),
            Ok(None) => self.refused(log, message, AppendError::Full(SpaceLimit::Disk)).await.map(Some),
            Err(error) => Ok(self.unknown(error.to_string())),
        }
    }

    fn unknown(&mut self, reason: String) -> Option<Appended> {
        self.unanswered += 1;
        self.reason = Some(reason);
        None
    }

    /// Waits a random while: simultaneous resends would collide again.
    async fn pause(&self) {
        METRICS.resends.inc();
        sleep(Duration::from_millis(rand::random_range(1..=20))).await;
    }

    fn unreachable(&self, error: &LogError) -> AppendError {
        AppendError::Unavailable { outcome_unknown: self.unanswered > 0, reason: error.to_string() }
    }

    fn timed_out(self) -> AppendError {
        match self.reason {
            Some(reason) => AppendError::Unavailable { outcome_unknown: true, reason },
            None => AppendError::Busy,
        }
    }
}

/// The sequence that precedes the message if it was stored.
fn expected(message: &NewMessage) -> u64 {
    message.guard.as_ref().map_or(0, |guard| guard.sequence)
}

/// Searches for the message's id on its subject, after a sequence, up to the leader's last message of the subject.
async fn find_own(log: &dyn Log, message: &NewMessage, after: u64) -> Result<Option<Recorded>, LogError> {
    if message.message_id.is_none() {
        return Ok(None);
    }
    let is_own = |recorded: &Recorded| recorded.header("Nats-Msg-Id") == message.message_id.as_deref();
    let last = match log.last(message.stream, &message.subject, Freshness::Leader).await? {
        Some(last) if last.sequence > after => last,
        _ => return Ok(None),
    };
    if is_own(&last) {
        return Ok(Some(last));
    }
    let mut from = after + 1;
    while from < last.sequence {
        let subject = Some(message.subject.as_str());
        let range = Range { stream: message.stream, from, subject, max_messages: 500, max_bytes: 1 << 20 };
        let page = log.read(range).await?;
        let Some(end) = page.last().map(|recorded| recorded.sequence) else {
            // The last message exists, so the replica that answered is behind.
            return Err(LogError::Unavailable("a replica is behind".into()));
        };
        if let Some(own) = page.into_iter().find(is_own) {
            return Ok(Some(own));
        }
        from = end + 1;
    }
    Ok(None)
}

/// Accepts a commit stored under the message's id if aggregate and request are the same, since ids are hashes of what
/// clients send. The lane may differ, because a repeat is decided on a later state.
fn accept_recorded(message: &NewMessage, recorded: Recorded) -> Result<Appended, AppendError> {
    let header = |name: &str| message.headers.get(name).map(async_nats::HeaderValue::as_str);
    let same = |name: &str| header(name) == recorded.header(name);
    if !subject::of_same_aggregate(&recorded.subject, &message.subject) || !same(header::REQUEST_HASH) {
        return Err(AppendError::IdTaken);
    }
    let sequence = recorded.sequence;
    let earlier = if same(header::COMMIT_ID) { None } else { Some(recorded) };
    Ok(Appended { sequence, earlier })
}
