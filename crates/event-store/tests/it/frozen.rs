//! Tests of frozen processes and of wrong clocks: a repeat is never executed twice because of them.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::DeliveryBox;
use event_store::{
    CommandContext, CommandError, EncryptError, EventStoreError, Log, MemoryLog,
    log::{Answer, Attempt, Freshness, NewMessage, Range, Recorded, StreamState},
};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};
use harness::Nats;
use testing::{
    commands::{box_id, by, executor, install, keyed, noon, open_room, say},
    server,
};
use tokio::{sync::watch, task::yield_now, time::advance};
use wire::{StreamName, partition_of};

fn stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), server::PARTITIONS))
}

/// The log of a process whose tail stands still while it is frozen. It can still read single messages and append.
struct Freezing {
    log: Arc<MemoryLog>,
    frozen: watch::Receiver<bool>,
}

impl Freezing {
    async fn thawed(&self) {
        let _ = self.frozen.clone().wait_for(|frozen| !*frozen).await;
    }
}

impl Log for Freezing {
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], limit: Duration) -> BoxFuture<'a, Attempt> {
        self.log.attempt(messages, limit)
    }

    fn encrypt<'a>(&'a self, messages: &'a [NewMessage]) -> BoxFuture<'a, Result<Cow<'a, [NewMessage]>, EncryptError>> {
        async move {
            self.thawed().await;
            Ok(Cow::Borrowed(messages))
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
        async move {
            self.thawed().await;
            self.log.read(range).await
        }
        .boxed()
    }

    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64> {
        self.log.first_since(stream, time)
    }

    fn state(&self, stream: StreamName) -> Answer<'_, StreamState> {
        self.log.state(stream)
    }

    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        async move {
            let (notifications, frozen) = (self.log.notifications(stream).await?, self.frozen.clone());
            let late = notifications.then(move |notification| {
                let mut frozen = frozen.clone();
                async move {
                    let _ = frozen.wait_for(|frozen| !*frozen).await;
                    notification
                }
            });
            Ok(late.boxed())
        }
        .boxed()
    }

    fn reachable(&self) -> Answer<'_, ()> {
        self.log.reachable()
    }
}

#[tokio::test(start_paused = true)]
async fn a_thawed_process_reads_to_the_end_before_it_decides_a_repeat() {
    let log = Arc::new(MemoryLog::default());
    let (freeze, frozen) = watch::channel(false);
    let slow = executor::<DeliveryBox>(&Arc::new(Freezing { log: Arc::clone(&log), frozen }));
    let other = executor::<DeliveryBox>(&log);
    open_room(&other).await;
    // The states are cached, and the tail has read everything.
    slow.execute(&box_id(), say("ann", "before"), keyed("ann", "before", "")).await.unwrap();
    freeze.send_replace(true);
    let first = other.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await.unwrap();
    log.end_duplicate_window();
    advance(Duration::from_mins(11)).await;
    assert!(slow.caught_up(), "the tail does not notice the freeze");
    let early = slow.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await;
    assert!(matches!(early, Err(CommandError::Unavailable { outcome_unknown: false, .. })), "{early:?}");
    freeze.send_replace(false);
    let again = slow.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await.unwrap();
    assert_eq!((again.sequence, again.replayed), (first.sequence, true));
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, first.sequence);
}

#[tokio::test(start_paused = true)]
async fn an_outdated_decision_is_not_appended() {
    let log = Arc::new(MemoryLog::default());
    let boxes = executor::<DeliveryBox>(&log);
    // Frozen between the look-up and the append.
    let stands_still = |_: &[domain::BoxEvent]| {
        async {
            advance(Duration::from_mins(11)).await;
            Ok::<_, EventStoreError>(())
        }
        .boxed()
    };
    let late = boxes.execute_prepared(&box_id(), install(), keyed("ops", "k", ""), &stands_still).await;
    assert!(matches!(late, Err(CommandError::Unavailable { outcome_unknown: false, .. })), "{late:?}");
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, 0);
    let now = boxes.execute_prepared(&box_id(), install(), keyed("ops", "k", ""), &|_| ready(Ok(())).boxed()).await;
    assert_eq!(now.unwrap().sequence, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outdated_append_is_not_sent() {
    let log = Arc::new(MemoryLog::default());
    let (freeze, frozen) = watch::channel(false);
    let slow = executor::<DeliveryBox>(&Arc::new(Freezing { log: Arc::clone(&log), frozen }));
    open_room(&slow).await;
    slow.execute(&box_id(), say("ann", "before"), keyed("ann", "before", "")).await.unwrap();
    freeze.send_replace(true);
    let thaw = async {
        for _ in 0..100 {
            yield_now().await;
        }
        advance(Duration::from_mins(11)).await;
        freeze.send_replace(false);
    };
    let box_id = box_id();
    let late = slow.execute(&box_id, say("ann", "hello"), keyed("ann", "k", "hello"));
    let (late, ()) = tokio::join!(late, thaw);
    assert!(matches!(late, Err(CommandError::Contended)), "{late:?}");
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, 3);
}

/// The context of a process whose clock is 25 hours fast.
fn fast(key: &str) -> CommandContext {
    CommandContext { at: noon() + TimeDelta::hours(25), ..keyed("ann", key, key) }
}

#[tokio::test]
async fn a_process_with_a_fast_clock_removes_no_executed_command() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let boxes = executor::<DeliveryBox>(&server::log(&nats).await);
    open_room(&boxes).await;
    let first = boxes.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await.unwrap();
    let admin = async_nats::jetstream::new(server::connect(&nats.url(harness::Account::Admin)).await);
    let mut config = admin.get_stream(stream().on_server()).await.unwrap().cached_info().config.clone();
    config.duplicate_window = Duration::from_millis(100);
    admin.update_stream(config).await.unwrap();
    boxes.execute(&box_id(), say("ann", "later"), fast("fast")).await.unwrap();
    boxes.execute(&box_id(), say("ann", "and then"), by("ann")).await.unwrap();
    // The tail of the running process, and one that starts now.
    let log = server::log(&nats).await;
    for boxes in [boxes, executor::<DeliveryBox>(&log)] {
        let again = boxes.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await.unwrap();
        assert_eq!((again.sequence, again.replayed), (first.sequence, true));
    }
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, first.sequence + 2);
}
