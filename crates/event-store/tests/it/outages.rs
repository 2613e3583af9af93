//! Tests with a real server that is disconnected, killed and restarted: no commit is lost or stored twice, and outcomes
//! are reported correctly.

use std::{sync::Arc, time::Duration};

use domain::DeliveryBox;
use event_store::{CommandError, Executor, JetStreamLog, Log, MemoryLog, follow};
use harness::{Account, Nats};
use testing::{
    Proxy,
    commands::{box_id, by, executor, join, keyed, open_room, say},
    server,
};
use tokio::time::{Instant, sleep, timeout};
use wire::{StreamName, partition_of};

const PATIENCE: Duration = Duration::from_secs(20);

fn stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), server::PARTITIONS))
}

async fn through(proxy: &Proxy, nats: &Nats) -> Arc<JetStreamLog> {
    let url = nats.url(Account::Command).replace(&format!(":{}", nats.port()), &format!(":{}", proxy.port));
    Arc::new(JetStreamLog::new(server::connect(&url).await))
}

async fn ready(boxes: &Executor<DeliveryBox>) {
    let deadline = Instant::now() + PATIENCE;
    while !boxes.caught_up() {
        assert!(Instant::now() < deadline, "{:?}", boxes.tails());
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_with_a_lost_answer_is_executed_once() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let proxy = Proxy::to(nats.port()).await;
    let boxes = executor::<DeliveryBox>(&through(&proxy, &nats).await);
    ready(&boxes).await;
    open_room(&boxes).await;
    let box_id = box_id();

    proxy.lose_answers();
    let heal = async {
        // The first attempt has been stored by then, and its answer is lost with the connection.
        let direct = server::log(&nats).await;
        while direct.state(stream()).await.unwrap().last_sequence < 3 {
            sleep(Duration::from_millis(5)).await;
        }
        proxy.cut();
    };
    let (said, ()) = tokio::join!(boxes.execute(&box_id, say("ann", "hello"), by("ann")), heal);
    let said = said.unwrap();
    assert_eq!((said.sequence, said.replayed), (3, false));

    proxy.lose_answers();
    let heal = async {
        let direct = server::log(&nats).await;
        while direct.state(stream()).await.unwrap().last_sequence < 4 {
            sleep(Duration::from_millis(5)).await;
        }
        proxy.cut();
    };
    let (joined, ()) = tokio::join!(boxes.execute(&box_id, join("bob"), by("bob")), heal);
    let joined = joined.unwrap();
    assert_eq!((joined.sequence, joined.replayed), (4, false));
    assert_eq!(server::log(&nats).await.state(stream()).await.unwrap().last_sequence, 4);
}

#[tokio::test]
async fn a_repeat_after_the_duplicate_window_gets_the_first_answer() {
    let log = Arc::new(MemoryLog::default());
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let first = boxes.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await.unwrap();
    log.end_duplicate_window();
    let again = executor::<DeliveryBox>(&log);
    let again = again.execute(&box_id(), say("ann", "hello"), keyed("ann", "k", "hello")).await.unwrap();
    assert_eq!((again.sequence, again.replayed), (first.sequence, true));
}

#[tokio::test]
async fn commands_fail_fast_without_a_server_and_succeed_afterwards() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let boxes = executor::<DeliveryBox>(&server::log(&nats).await);
    ready(&boxes).await;
    open_room(&boxes).await;
    nats.kill().await;
    let start = Instant::now();
    let failed = boxes.execute(&box_id(), say("ann", "hello?"), keyed("ann", "k", "hello?")).await;
    assert!(matches!(failed, Err(CommandError::Unavailable { .. })), "{failed:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    nats.start_again().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let said = loop {
        match boxes.execute(&box_id(), say("ann", "hello?"), keyed("ann", "k", "hello?")).await {
            Ok(said) => break said,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(said.sequence, 3);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_the_server_is_killed_repeatedly() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let log = server::log(&nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    ready(&boxes).await;
    open_room(&boxes).await;
    let mut follower = follow(log.clone(), stream(), 1).await.unwrap();
    let writer = |name: usize| {
        let boxes = boxes.clone();
        async move {
            let mut sequences = Vec::new();
            for count in 0..150 {
                let key = format!("{name}-{count}");
                loop {
                    match boxes.execute(&box_id(), say("ann", &key), keyed("ann", &key, &key)).await {
                        Ok(said) => break sequences.push(said.sequence),
                        Err(CommandError::Unavailable { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            sequences
        }
    };
    let writers: Vec<_> = (0..4).map(|name| tokio::spawn(writer(name))).collect();
    let read = tokio::spawn(async move {
        let mut sequences = Vec::new();
        while sequences.len() < 602 {
            match follower.next_batch(100, 1 << 20).await {
                Ok(batch) => sequences.extend(batch.commits.iter().map(|commit| commit.sequence)),
                Err(event_store::FollowError::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
        }
        sequences
    });
    for _ in 0..3 {
        sleep(Duration::from_millis(150)).await;
        nats.kill().await;
        nats.start_again().await.unwrap();
    }
    let mut said = Vec::new();
    for writer in writers {
        said.extend(timeout(PATIENCE, writer).await.expect("a writer hangs").unwrap());
    }
    said.sort_unstable();
    assert_eq!(said, (3..603).collect::<Vec<_>>(), "each once");
    let read = timeout(PATIENCE, read).await.expect("the follower hangs").unwrap();
    assert_eq!(read, (1..603).collect::<Vec<_>>());
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, 602);
}
