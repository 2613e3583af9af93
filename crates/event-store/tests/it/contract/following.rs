//! Tests of following a stream: all messages once, in order.

use std::{sync::Arc, time::Duration};

use event_store::{Damage, FollowError, Follower, Log, follow, log::NewMessage};
use tokio::time::timeout;
use wire::StreamName;

use super::{PATIENCE, STREAM, message, stored, talk};

async fn read(follower: &mut Follower, count: usize) -> Vec<u64> {
    let mut sequences = Vec::new();
    while sequences.len() < count {
        let batch = timeout(PATIENCE, follower.next_batch(100, 1 << 20)).await.expect("nothing comes").unwrap();
        sequences.extend(batch.commits.iter().map(|commit| commit.sequence));
    }
    sequences
}

async fn say(log: &Arc<dyn Log>, count: u64) {
    for _ in 0..count {
        stored(log, message(&talk("b1"), "x")).await;
    }
}

pub(crate) async fn a_follower_reads_existing_and_new_messages(log: Arc<dyn Log>) {
    say(&log, 250).await;
    let mut follower = follow(log.clone(), STREAM, 1).await.unwrap();
    assert_eq!(read(&mut follower, 250).await, (1..=250).collect::<Vec<_>>());
    say(&log, 50).await;
    assert_eq!(read(&mut follower, 50).await, (251..=300).collect::<Vec<_>>());
}

pub(crate) async fn a_follower_starts_at_the_given_position(log: Arc<dyn Log>) {
    say(&log, 10).await;
    let mut follower = follow(log.clone(), STREAM, 8).await.unwrap();
    assert_eq!(follower.state().last_sequence, 10);
    assert_eq!(read(&mut follower, 3).await, [8, 9, 10]);
}

pub(crate) async fn a_follower_reports_once_that_it_has_caught_up(log: Arc<dyn Log>) {
    let mut follower = follow(log.clone(), STREAM, 1).await.unwrap();
    let batch = follower.next_batch(10, 1 << 20).await.unwrap();
    assert!(batch.caught_up && batch.commits.is_empty());
    assert!(timeout(Duration::from_millis(100), follower.next_batch(10, 1 << 20)).await.is_err(), "then it waits");
    say(&log, 1).await;
    let batch = timeout(PATIENCE, follower.next_batch(10, 1 << 20)).await.unwrap().unwrap();
    assert!(batch.caught_up);
    assert_eq!(batch.commits.len(), 1);
}

pub(crate) async fn an_interrupted_follower_loses_nothing(log: Arc<dyn Log>) {
    say(&log, 200).await;
    let mut follower = follow(log.clone(), STREAM, 1).await.unwrap();
    let mut sequences = Vec::new();
    let mut micros = 0;
    while sequences.len() < 200 {
        micros = (micros + 50) % 3000;
        match timeout(Duration::from_micros(micros), follower.next_batch(7, 1 << 20)).await {
            Ok(batch) => sequences.extend(batch.unwrap().commits.iter().map(|commit| commit.sequence)),
            Err(_interrupted) => {}
        }
    }
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
}

pub(crate) async fn a_follower_keeps_order_during_concurrent_appends(log: Arc<dyn Log>) {
    let mut follower = follow(log.clone(), STREAM, 1).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move { say(&log, 100).await })
        })
        .collect();
    assert_eq!(read(&mut follower, 800).await, (1..=800).collect::<Vec<_>>());
    for writer in writers {
        writer.await.unwrap();
    }
}

pub(crate) async fn a_follower_skips_the_holes_of_markers(log: Arc<dyn Log>) {
    let mark = |user: &str| NewMessage { stream: StreamName::Mark, ..message(&format!("mark.0.b1.1.{user}"), "x") };
    for user in ["ann", "ann", "bob", "ann"] {
        stored(&log, mark(user)).await;
    }
    let mut follower = follow(log.clone(), StreamName::Mark, 1).await.unwrap();
    assert_eq!(read(&mut follower, 2).await, [3, 4]);
    stored(&log, mark("ann")).await;
    assert_eq!(read(&mut follower, 1).await, [5]);
}

pub(crate) async fn a_position_after_the_end_is_damage(log: Arc<dyn Log>) {
    say(&log, 3).await;
    assert!(follow(log.clone(), STREAM, 4).await.is_ok(), "the next one to come");
    match follow(log, STREAM, 5).await.err() {
        Some(FollowError::Damaged(Damage::Shortened { read: 4, last: 3, .. })) => {}
        other => panic!("{other:?}"),
    }
}
