//! Tests of how often a follower asks the leader for the end of its stream: rarely, unless notifications may be lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use event_store::{
    Log, MemoryLog, follow,
    log::{Answer, Attempt, Freshness, NewMessage, Range, Recorded, StreamState},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::time::{Instant, timeout};
use wire::StreamName;

use crate::contract::{STREAM, message, stored, talk};

/// A log over one connection that counts the questions for its state, and can lose notifications.
#[derive(Default)]
struct Asked {
    log: MemoryLog,
    questions: AtomicU32,
    /// True if the server claims to lose no notifications.
    notifies: bool,
    loses: Arc<AtomicBool>,
}

impl Log for Asked {
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], limit: Duration) -> BoxFuture<'a, Attempt> {
        self.log.attempt(messages, limit)
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
        async move {
            self.questions.fetch_add(1, Ordering::SeqCst);
            Ok(StreamState { is_notified: self.notifies, ..self.log.state(stream).await? })
        }
        .boxed()
    }

    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        async move {
            let (notices, loses) = (self.log.notifications(stream).await?, Arc::clone(&self.loses));
            Ok(notices.filter(move |_| std::future::ready(!loses.load(Ordering::SeqCst))).boxed())
        }
        .boxed()
    }

    fn connection(&self) -> Option<u64> {
        Some(1)
    }

    fn reachable(&self) -> Answer<'_, ()> {
        self.log.reachable()
    }
}

/// Follows an idle stream for this time and returns the number of questions.
async fn questions_in(notifies: bool, time: Duration) -> u32 {
    let log = Arc::new(Asked { notifies, ..Asked::default() });
    let mut follower = follow(log.clone(), STREAM, 1).await.unwrap();
    let _ = timeout(time, async {
        loop {
            follower.next_batch(10, 1 << 20).await.unwrap();
        }
    })
    .await;
    log.questions.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_asked_about_rarely_where_no_notification_is_lost() {
    assert!(questions_in(true, Duration::from_mins(2)).await <= 14);
    assert!(questions_in(false, Duration::from_mins(2)).await >= 20);
}

/// Stores a message whose notification is lost, and returns the time until it is read.
async fn read_after_a_loss(log: &Arc<Asked>, before: u64) -> Duration {
    let shared: Arc<dyn Log> = log.clone();
    let mut follower = follow(shared.clone(), STREAM, 1).await.unwrap();
    for sequence in 1..=before {
        stored(&shared, message(&talk("b1"), "x")).await;
        let batch = follower.next_batch(1, 1 << 20).await.unwrap();
        assert!(batch.commits.iter().all(|commit| commit.sequence <= sequence));
    }
    while follower.next_batch(100, 1 << 20).now_or_never().is_some() {}
    log.loses.store(true, Ordering::SeqCst);
    stored(&shared, message(&talk("b1"), "x")).await;
    let begun = Instant::now();
    while follower.next_batch(10, 1 << 20).await.unwrap().commits.is_empty() {}
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_lost_notification_delays_a_message_by_some_seconds_at_most() {
    let may_lose = Arc::new(Asked::default());
    assert!(read_after_a_loss(&may_lose, 0).await <= Duration::from_secs(7));
    // A client drops notifications only when it keeps very many.
    let full = Arc::new(Asked { notifies: true, ..Asked::default() });
    assert!(read_after_a_loss(&full, 20_000).await <= Duration::from_secs(2));
}
