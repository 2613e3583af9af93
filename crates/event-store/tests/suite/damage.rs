//! A log that is not what it was: noticed, said, and never papered over.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream;
use domain::{BoxCommand, DeliveryBox};
use event_store::{CommandError, Damage, FollowError, Follower, MemoryLog, StreamName, follow, partition_of};
use harness::{Account, Nats};
use tokio::time::timeout;

use crate::{
    server,
    town::{box_id, by, executor, open_room, say},
};

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
async fn a_hole_stops_whoever_reads() {
    let log = Arc::new(MemoryLog::default());
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    for _ in 0..5 {
        boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap();
    }
    log.lose(stream(), 4).unwrap();
    let mut follower = follow(log.clone(), stream(), 1).await.unwrap();
    assert_eq!(
        damage(follow(log.clone(), stream(), 1).await.unwrap()).await,
        Damage::Hole { stream: stream(), expected: 4 }
    );
    let batch = follower.next_batch(2, 1 << 20).await.unwrap();
    assert_eq!(batch.commits.len(), 2, "what is before the hole can be read");
    // A process that starts now takes no commands for that partition.
    let late = executor::<DeliveryBox>(&log);
    let refused = late.execute(&box_id(), say("ann", "hello"), by("ann")).await;
    assert!(matches!(refused, Err(CommandError::Corrupt { .. })), "{refused:?}");
    assert!(!late.caught_up());
}

#[tokio::test]
async fn a_stream_that_was_replaced_stops_whoever_reads() {
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
        match boxes.execute(&box_id(), BoxCommand::ReturnToService, by("ops")).await {
            Err(CommandError::Corrupt { reason }) => break reason,
            // Not noticed yet: nothing is appended meanwhile, because the guard does not hold.
            Err(CommandError::Refused(_) | CommandError::Contended | CommandError::Unavailable { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(refused.contains("box-"), "{refused}");
}
