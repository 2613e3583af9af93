//! Tests of damage to the log: it is detected and reported, and never ignored.

use std::{path::Path, sync::Arc, time::Duration};

use async_nats::jetstream;
use domain::{BoxCommand, DeliveryBox, OwnCommand};
use event_store::{CommandError, Damage, Executor, FollowError, Follower, Log, MemoryLog, follow};
use harness::{Account, Nats, checkout::Scratch};
use testing::{
    commands::{Answer, box_id, by, executor, open_room, say},
    server,
};
use tokio::time::{Instant, sleep, timeout};
use wire::{StreamName, partition_of};

const PATIENCE: Duration = Duration::from_secs(20);

fn stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), server::PARTITIONS))
}

async fn damage(mut follower: Follower) -> Damage {
    loop {
        match timeout(PATIENCE, follower.next_batch(100, 1 << 20)).await.expect("the damage is not noticed") {
            Ok(_) | Err(FollowError::Unavailable(_)) => {}
            Err(FollowError::Damaged(damage)) => return damage,
        }
    }
}

#[tokio::test]
async fn a_hole_stops_every_reader() {
    let log = Arc::new(MemoryLog::default());
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    for _ in 0..5 {
        boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap();
    }
    log.remove_message(stream(), 4).unwrap();
    let mut follower = follow(log.clone(), stream(), 1).await.unwrap();
    assert_eq!(
        damage(follow(log.clone(), stream(), 1).await.unwrap()).await,
        Damage::Hole { stream: stream(), expected: 4 }
    );
    let batch = follower.next_batch(2, 1 << 20).await.unwrap();
    assert_eq!(batch.commits.len(), 2, "the commits before the hole can be read");
    // A process that starts now accepts no commands for the partition.
    let late = executor::<DeliveryBox>(&log);
    let refused = late.execute(&box_id(), say("ann", "hello"), by("ann")).await;
    assert!(matches!(refused, Err(CommandError::Damaged { .. })), "{refused:?}");
    assert!(!late.caught_up());
}

#[tokio::test]
async fn a_replaced_stream_stops_every_reader() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let log = server::log(&nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let mut follower = follow(log.clone(), stream(), 1).await.unwrap();
    assert!(!follower.next_batch(100, 1 << 20).await.unwrap().commits.is_empty());

    let context = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    let name = stream().on_server();
    let config = context.get_stream(&name).await.unwrap().cached_info().config.clone();
    context.delete_stream(&name).await.unwrap();
    context.create_stream(config).await.unwrap();

    let noticed = damage(follower).await;
    assert!(matches!(noticed, Damage::OtherIncarnation { .. } | Damage::Shortened { .. }), "{noticed:?}");
    let refused = loop {
        match boxes.execute(&box_id(), BoxCommand::Box(OwnCommand::ReturnToService), by("ops")).await {
            Err(CommandError::Damaged { reason }) => break reason,
            // Not detected yet: nothing is appended until then, because the guard does not hold.
            Err(CommandError::Refused(_) | CommandError::Contended | CommandError::Unavailable { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(refused.contains("box-"), "{refused}");
}

/// Replaces the log by another copy.
async fn exchange(nats: &Nats, copy: &Path) {
    nats.kill().await;
    std::fs::remove_dir_all(nats.store()).unwrap();
    copy_folder(copy, &nats.store());
    nats.start_again().await.unwrap();
}

/// Copies the current log.
async fn copy(nats: &Nats, to: &Path) {
    nats.stop().await;
    copy_folder(&nats.store(), to);
    nats.start_again().await.unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Posts until the expected answer. All other answers must be repeatable.
async fn until<T>(boxes: &Executor<DeliveryBox>, name: &str, wanted: impl Fn(&Answer) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await;
        if let Some(wanted) = wanted(&answer) {
            return wanted;
        }
        let may_be_repeated = matches!(
            answer,
            Err(CommandError::Unavailable { .. } | CommandError::Damaged { .. } | CommandError::Contended)
        );
        assert!(may_be_repeated, "{name}: {answer:?}");
        assert!(Instant::now() < deadline, "{name}: {answer:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn is_damaged(answer: &Answer) -> Option<()> {
    matches!(answer, Err(CommandError::Damaged { .. })).then_some(())
}

#[tokio::test]
async fn an_older_log_rejects_commands_until_the_right_one_is_back() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let log = server::log(&nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let copies = Scratch::create().unwrap();
    let [older, right] = ["older", "right"].map(|name| copies.path().join(name));
    copy(&nats, &older).await;
    for _ in 0..5 {
        until(&boxes, "the log goes on", |answer| answer.is_ok().then_some(())).await;
    }
    copy(&nats, &right).await;
    until(&boxes, "it is followed again", |answer| answer.is_ok().then_some(())).await;
    let said = log.state(stream()).await.unwrap().last_sequence;
    copy(&nats, &right).await;

    exchange(&nats, &older).await;
    until(&boxes, "the older log is noticed", is_damaged).await;
    assert!(!boxes.caught_up());
    // The older log grows beyond the sequence read from the right one, by commits of a process that knows only the
    // older one.
    let other = executor::<DeliveryBox>(&server::log(&nats).await);
    while log.state(stream()).await.is_ok_and(|state| state.last_sequence < said + 3) {
        until(&other, "the older log takes commits", |answer| answer.is_ok().then_some(())).await;
    }
    drop(other);
    let looked_at = Instant::now() + Duration::from_secs(10);
    while Instant::now() < looked_at {
        let answer = boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await;
        assert!(is_damaged(&answer).is_some(), "{answer:?}");
        sleep(Duration::from_millis(200)).await;
    }

    exchange(&nats, &right).await;
    let sequence = until(&boxes, "the right log is back", |answer| Some(answer.as_ref().ok()?.sequence)).await;
    assert_eq!(sequence, said + 1);
}
