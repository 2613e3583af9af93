//! Tests of the outcomes of an append with lost answers, on one server and with the order of checks of a cluster.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::HeaderMap;
use chrono::{DateTime, Utc};
use event_store::{
    Log, LogError, StreamState,
    codec::envelope::header,
    executor::append::{AppendError, Appended, RetryPolicy, append},
    log::{Answer, Attempt, Freshness, NewMessage, Range, Recorded},
};
use futures::{FutureExt, future::BoxFuture, stream::BoxStream};
use storage::SpaceLimit;
use wire::StreamName;

use super::{STREAM, guarded, message, room, stored, talk};

/// The fate of one attempt.
#[derive(Debug, Clone)]
enum Fate {
    /// The server receives it, but its answer is lost.
    AnswerLost,
    /// The server never receives it.
    RequestLost,
    /// The server receives it after this other message, and its answer is lost.
    AnswerLostAfter(Box<NewMessage>),
    /// The server receives it before this other message, and its answer is lost.
    AnswerLostBefore(Box<NewMessage>),
    /// The server rejects it for good.
    Refused,
    /// The server rejects it for lack of space.
    Full,
    /// Another append is in flight, as in a cluster.
    Busy,
    /// There is no connection.
    Disconnected,
}

/// A log whose first attempts have these fates.
struct Unlucky<L> {
    log: Arc<L>,
    fates: Mutex<Vec<Fate>>,
    connected: bool,
}

fn unlucky<L: Log>(log: &Arc<L>, fates: &[Fate]) -> Unlucky<L> {
    let connected = !fates.iter().any(|fate| matches!(fate, Fate::Disconnected));
    let fates = Mutex::new(fates.iter().rev().cloned().collect());
    Unlucky { log: log.clone(), fates, connected }
}

impl<L: Log> Log for Unlucky<L> {
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], limit: Duration) -> BoxFuture<'a, Attempt> {
        async move {
            let fate = self.fates.lock().unwrap().pop();
            let lost = || Attempt::Unknown { reason: "lost".into() };
            match fate {
                None => self.log.attempt(messages, limit).await,
                Some(Fate::Refused) => Attempt::Rejected { code: 10054, description: "too large".into() },
                Some(Fate::Full) => Attempt::Full(SpaceLimit::Server),
                Some(Fate::Busy) => Attempt::Busy,
                Some(Fate::Disconnected) => Attempt::NotSent,
                Some(Fate::RequestLost) => lost(),
                Some(Fate::AnswerLost) => {
                    self.log.attempt(messages, limit).await;
                    lost()
                }
                Some(Fate::AnswerLostAfter(other)) => {
                    self.log.attempt(&[*other], limit).await;
                    self.log.attempt(messages, limit).await;
                    lost()
                }
                Some(Fate::AnswerLostBefore(other)) => {
                    self.log.attempt(messages, limit).await;
                    self.log.attempt(&[*other], limit).await;
                    lost()
                }
            }
        }
        .boxed()
    }

    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, from: Freshness) -> Answer<'a, Option<Recorded>> {
        self.log.last(stream, subject, from)
    }

    fn get(&self, stream: StreamName, sequence: u64, from: Freshness) -> Answer<'_, Option<Recorded>> {
        self.log.get(stream, sequence, from)
    }

    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        self.log.read(range)
    }

    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64> {
        self.log.first_since(stream, time)
    }

    fn state(&self, stream: StreamName) -> Answer<'_, StreamState> {
        self.log.state(stream)
    }

    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        self.log.notifications(stream)
    }

    fn reachable(&self) -> Answer<'_, ()> {
        let reachable = if self.connected { Ok(()) } else { Err(LogError::Unavailable("no connection".into())) };
        std::future::ready(reachable).boxed()
    }
}

async fn settle<L: Log>(log: &Arc<L>, fates: &[Fate], messages: &[NewMessage]) -> Result<Appended, AppendError> {
    let limit = RetryPolicy { total: Duration::from_secs(1), ..RetryPolicy::default() };
    append(&unlucky(log, fates), messages, &limit).await
}

fn own(message: NewMessage) -> NewMessage {
    NewMessage { message_id: Some("own".into()), ..message }
}

fn on_talk(body: &str, version: u64) -> NewMessage {
    let guard = Some(event_store::log::Guard { subject: Some(room("b1")), sequence: version });
    NewMessage { guard, ..message(&talk("b1"), body) }
}

async fn last_sequence(log: &Arc<impl Log>) -> u64 {
    log.state(STREAM).await.unwrap().last_sequence
}

pub(crate) async fn a_lost_answer_is_found_by_sending_again(log: Arc<impl Log>) {
    let version = stored(&log, guarded(&room("b1"), "opened", 0)).await;
    let appended = settle(&log, &[Fate::AnswerLost, Fate::AnswerLost], &[own(on_talk("a", version))]).await.unwrap();
    assert!(appended.earlier.is_none(), "our own");
    assert_eq!((appended.sequence, last_sequence(&log).await), (2, 2));
}

pub(crate) async fn a_lost_answer_behind_its_own_guard_is_found(log: Arc<impl Log>) {
    // A single server checks the guard first: the second attempt is rejected because the first was stored.
    let appended = settle(&log, &[Fate::AnswerLost], &[own(guarded(&room("b1"), "opened", 0))]).await.unwrap();
    assert!(appended.earlier.is_none());
    assert_eq!((appended.sequence, last_sequence(&log).await), (1, 1));
}

pub(crate) async fn a_lost_answer_is_found_among_later_messages(log: Arc<impl Log>) {
    let version = stored(&log, guarded(&room("b1"), "opened", 0)).await;
    for _ in 0..30 {
        stored(&log, on_talk("x", version)).await;
    }
    let kick = Fate::AnswerLostBefore(Box::new(guarded(&room("b1"), "kicked", version)));
    let chatter = Fate::AnswerLostBefore(Box::new(message(&talk("b1"), "y")));
    let appended = settle(&log, &[chatter, kick], &[own(on_talk("a", version))]).await.unwrap();
    assert_eq!(appended.sequence, 32);
    assert!(appended.earlier.is_none());
}

pub(crate) async fn a_lost_request_is_sent_again(log: Arc<impl Log>) {
    let fates = [Fate::RequestLost, Fate::Busy, Fate::RequestLost];
    let appended = settle(&log, &fates, &[own(guarded(&room("b1"), "opened", 0))]).await.unwrap();
    assert_eq!((appended.sequence, last_sequence(&log).await), (1, 1));
}

pub(crate) async fn a_conflict_after_a_lost_request_is_a_conflict(log: Arc<impl Log>) {
    let other = Fate::AnswerLostAfter(Box::new(guarded(&room("b1"), "other", 0)));
    let outcome = settle(&log, &[other], &[own(guarded(&room("b1"), "opened", 0))]).await;
    assert!(matches!(outcome, Err(AppendError::Conflict)), "{outcome:?}");
    assert_eq!(last_sequence(&log).await, 1);
}

pub(crate) async fn an_id_of_the_same_request_is_a_repeat(log: Arc<impl Log>) {
    let first = own(guarded(&room("b1"), "first", 0));
    stored(&log, first.clone()).await;
    let again = own(guarded(&room("b1"), "again", 1));
    let appended = settle(&log, &[], &[again]).await.unwrap();
    assert_eq!((appended.sequence, appended.earlier.unwrap().payload), (1, first.payload));
}

pub(crate) async fn an_id_of_another_request_is_taken(log: Arc<impl Log>) {
    stored(&log, own(message(&talk("b1"), "first"))).await;
    let mut headers = HeaderMap::new();
    headers.insert(header::REQUEST_HASH, "ff");
    let other_body = NewMessage { headers, ..own(message(&talk("b1"), "second")) };
    let outcome = settle(&log, &[], &[other_body]).await;
    assert!(matches!(outcome, Err(AppendError::IdTaken)), "{outcome:?}");
    let other_subject = own(message(&talk("b2"), "first"));
    let outcome = settle(&log, &[], &[other_subject]).await;
    assert!(matches!(outcome, Err(AppendError::IdTaken)), "{outcome:?}");
    assert_eq!(last_sequence(&log).await, 1);
}

fn registration(claimed_at: u64, version: u64) -> [NewMessage; 2] {
    let on = |subject: &str, sequence| NewMessage { stream: StreamName::User, ..guarded(subject, subject, sequence) };
    [on("claim.nickname.sunny", claimed_at), own(on("user.ann", version))]
}

pub(crate) async fn a_batch_with_a_lost_answer_is_found(log: Arc<impl Log>) {
    let appended = settle(&log, &[Fate::AnswerLost], &registration(0, 0)).await.unwrap();
    assert_eq!(appended.sequence, 2);
    assert!(appended.earlier.is_none());
    // Its id is recognized even if its guards hold again.
    let again = settle(&log, &[], &registration(1, 2)).await.unwrap();
    assert_eq!(again.sequence, 2);
    assert_eq!(log.state(StreamName::User).await.unwrap().last_sequence, 2);
}

pub(crate) async fn a_log_that_never_answers_leaves_the_outcome_open(log: Arc<impl Log>) {
    let fates = vec![Fate::RequestLost; 10_000];
    let outcome = settle(&log, &fates, &[own(message(&talk("b1"), "a"))]).await;
    assert!(matches!(outcome, Err(AppendError::Unavailable { outcome_unknown: true, .. })), "{outcome:?}");
}

pub(crate) async fn an_append_without_a_connection_is_not_stored(log: Arc<impl Log>) {
    let outcome = settle(&log, &[Fate::Disconnected], &[own(message(&talk("b1"), "a"))]).await;
    assert!(matches!(outcome, Err(AppendError::Unavailable { outcome_unknown: false, .. })), "{outcome:?}");
    let fates = [Fate::RequestLost, Fate::Disconnected];
    let outcome = settle(&log, &fates, &[own(message(&talk("b1"), "a"))]).await;
    assert!(matches!(outcome, Err(AppendError::Unavailable { outcome_unknown: true, .. })), "{outcome:?}");
}

pub(crate) async fn an_append_to_a_busy_log_is_not_stored(log: Arc<impl Log>) {
    let outcome = settle(&log, &vec![Fate::Busy; 10_000], &[own(message(&talk("b1"), "a"))]).await;
    assert!(matches!(outcome, Err(AppendError::Busy)), "{outcome:?}");
    assert_eq!(last_sequence(&log).await, 0);
}

pub(crate) async fn a_refusal_after_a_lost_answer_counts_as_success(log: Arc<impl Log>) {
    let version = stored(&log, guarded(&room("b1"), "opened", 0)).await;
    for (index, refusal) in [Fate::Refused, Fate::Full].into_iter().enumerate() {
        let message = NewMessage { message_id: Some(format!("own{index}")), ..on_talk("a", version) };
        let appended = settle(&log, &[Fate::AnswerLost, refusal], &[message]).await.unwrap();
        assert!(appended.earlier.is_none(), "our own");
        assert_eq!(appended.sequence, last_sequence(&log).await);
    }
    assert_eq!(last_sequence(&log).await, 3);
}

pub(crate) async fn a_refusal_after_a_lost_request_leaves_the_outcome_open(log: Arc<impl Log>) {
    for refusal in [Fate::Refused, Fate::Full] {
        let outcome = settle(&log, &[Fate::RequestLost, refusal], &[own(message(&talk("b1"), "a"))]).await;
        assert!(matches!(outcome, Err(AppendError::Unavailable { outcome_unknown: true, .. })), "{outcome:?}");
    }
    let outcome = settle(&log, &[Fate::Busy, Fate::Refused], &[own(message(&talk("b1"), "a"))]).await;
    assert!(matches!(outcome, Err(AppendError::Refused(_))), "{outcome:?}");
    let outcome = settle(&log, &[Fate::Full], &[own(message(&talk("b1"), "a"))]).await;
    assert!(matches!(outcome, Err(AppendError::Full(SpaceLimit::Server))), "{outcome:?}");
    assert_eq!(last_sequence(&log).await, 0);
}
