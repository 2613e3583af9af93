//! Two projectors: one works, the other takes over, and nothing is written twice.

use rustix::process::Signal;

use crate::process::{Projector, Servers, TAKEOVER, until};

const MESSAGES: &str = "select count(*) from messages";
const FEED: &str = "select count(*) from room_events";
const LAST_V: &str = "select max(v) from room_events";

/// One that holds every lease, and one that waits.
async fn pair(servers: &Servers) -> (Projector, Projector) {
    let first = servers.projector("first").await;
    first.is_ready().await;
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from leases", 5).await;
    let second = servers.projector("second").await;
    second.is_ready().await;
    (first, second)
}

#[tokio::test]
async fn a_killed_projector_is_replaced_in_time() {
    let servers = Servers::start().await;
    let (first, _second) = pair(&servers).await;
    let town = servers.town().await;
    let mut rows = servers.read_model().await;
    town.open("b1").await;
    for n in 0..50 {
        town.say("b1", &format!("message {n}")).await;
    }
    first.process.kill().await;
    town.say("b1", "after the crash").await;
    let gap = until(&mut rows, MESSAGES, 51).await;
    assert!(gap < TAKEOVER, "{gap:?}");
    until(&mut rows, FEED, 52).await;
    until(&mut rows, LAST_V, 52).await;
}

#[tokio::test]
async fn a_frozen_projector_is_replaced_in_time_and_does_no_harm_when_it_thaws() {
    let servers = Servers::start().await;
    let (first, second) = pair(&servers).await;
    let town = servers.town().await;
    let mut rows = servers.read_model().await;
    town.open("b1").await;
    until(&mut rows, FEED, 1).await;
    first.process.signal(Signal::STOP);
    town.say("b1", "anybody?").await;
    let gap = until(&mut rows, MESSAGES, 1).await;
    assert!(gap < TAKEOVER, "{gap:?}");
    first.process.signal(Signal::CONT);
    for n in 0..20 {
        town.say("b1", &format!("message {n}")).await;
    }
    until(&mut rows, MESSAGES, 21).await;
    until(&mut rows, FEED, 22).await;
    until(&mut rows, LAST_V, 22).await;
    first.is_ready().await;
    second.is_ready().await;
    until(&mut rows, "select count(distinct holder) from leases", 1).await;
}
