//! Tests of deadlines of rooms, which fire also after failures of the server.

use std::{pin::pin, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::RoomId;
use event_store::{Deadlines, FiredDeadline, JetStreamLog};
use futures::{Stream, StreamExt};
use harness::{Account, Nats};
use testing::server;
use tokio::time::timeout;

#[expect(clippy::disallowed_methods, reason = "the server fires by the real clock")]
fn soon(millis: i64) -> DateTime<Utc> {
    (Utc::now() + TimeDelta::milliseconds(millis)).trunc_subsecs(3)
}

async fn deadlines(nats: &Nats) -> Deadlines {
    Deadlines::new(JetStreamLog::new(server::connect(&nats.url(Account::Command)).await), server::PARTITIONS)
}

fn room(id: &str) -> RoomId {
    id.parse().unwrap()
}

async fn next(fired: &mut (impl Stream<Item = FiredDeadline> + Unpin)) -> FiredDeadline {
    timeout(Duration::from_secs(30), fired.next()).await.expect("no deadline fires").unwrap()
}

#[tokio::test]
async fn a_deadline_fires_once_at_its_time() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let deadlines = deadlines(&nats).await;
    let mut fired = pin!(deadlines.fired());
    let (first, second) = (soon(500), soon(1500));
    deadlines.schedule(&room("b1.1"), first).await.unwrap();
    deadlines.schedule(&room("b2.1"), second).await.unwrap();
    let one = next(&mut fired).await;
    assert_eq!((&one.room_id, one.at), (&room("b1.1"), first));
    assert!(soon(0) >= first);
    one.acknowledge().await;
    let other = next(&mut fired).await;
    assert_eq!((&other.room_id, other.at), (&room("b2.1"), second));
    other.acknowledge().await;
    assert!(timeout(Duration::from_secs(1), fired.next()).await.is_err(), "nothing fires twice");
}

#[tokio::test]
async fn a_later_deadline_replaces_the_earlier_one() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let deadlines = deadlines(&nats).await;
    let mut fired = pin!(deadlines.fired());
    let extended = soon(1500);
    deadlines.schedule(&room("b1.1"), soon(700)).await.unwrap();
    deadlines.schedule(&room("b1.1"), extended).await.unwrap();
    let only = next(&mut fired).await;
    assert_eq!(only.at, extended);
    only.acknowledge().await;
}

#[tokio::test]
async fn a_deadline_survives_a_server_restart() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let deadlines = deadlines(&nats).await;
    let mut fired = pin!(deadlines.fired());
    deadlines.schedule(&room("b1.1"), soon(300)).await.unwrap();
    deadlines.schedule(&room("b2.1"), soon(2500)).await.unwrap();
    nats.kill().await;
    // The first one is due while the server is down.
    tokio::time::sleep(Duration::from_millis(500)).await;
    nats.start_again().await.unwrap();
    let late = next(&mut fired).await;
    assert_eq!(late.room_id, room("b1.1"));
    late.acknowledge().await;
    assert_eq!(next(&mut fired).await.room_id, room("b2.1"));
}

#[tokio::test]
async fn an_unsettled_deadline_is_redelivered() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let deadlines = deadlines(&nats).await;
    let mut fired = pin!(deadlines.fired());
    deadlines.schedule(&room("b1.1"), soon(100)).await.unwrap();
    drop(next(&mut fired).await);
    let again = next(&mut fired).await;
    assert_eq!(again.room_id, room("b1.1"));
    again.acknowledge().await;
}
