//! Rooms that close at their deadlines.

use std::sync::Arc;

use domain::{BoxEvent, BoxId, RoomClosedReason, RoomEvent};
use event_store::{Deadlines, Decoded, JetStreamLog, follow};
use futures::future::join_all;
use harness::token::Bearer;
use serde_json::json;
use testing::wait::until;
use wire::{StreamName, partition_of};

use crate::app::Installation;

/// Returns the closings of rooms of a box that are in the log.
async fn closings(log: &JetStreamLog, box_id: &str) -> Vec<(u32, RoomClosedReason)> {
    let box_id: BoxId = box_id.parse().unwrap();
    let mut closings = Vec::new();
    let mut follower = follow(Arc::new(log.clone()), StreamName::Box(partition_of(&box_id, 4)), 1).await.unwrap();
    if follower.state().last_sequence == 0 {
        return closings;
    }
    loop {
        let batch = follower.next_batch(1000, 1 << 20).await.unwrap();
        for commit in &batch.commits {
            let Ok(Decoded::Box(events)) = commit.decode() else { continue };
            closings.extend(events.into_iter().filter_map(|event| match event {
                BoxEvent::Room { room_id, event: RoomEvent::RoomClosed { reason } } if *room_id.box_id() == box_id => {
                    Some((room_id.number(), reason))
                }
                _ => None,
            }));
        }
        if batch.caught_up {
            return closings;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_closes_once_at_its_deadline_while_two_hundred_users_open_the_next() {
    let installation = Installation::start().await;
    let lifetime = ["--room-lifetime", "2s"];
    let services = [installation.service(&lifetime).await, installation.service(&lifetime).await];
    services[0].furnish("b").await;
    let names: Vec<String> = (0..200).map(|number| format!("user-{number}")).collect();
    let answers =
        join_all(names.iter().enumerate().map(|(number, name)| services[number % 2].open_room(name, "b"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let log = installation.log().await;
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    // Every other deadline has fired by the time at which the next room closes.
    services[1].open_room("ana", "b").await.created();
    until("the next room is closed", async || closings(&log, "b").await.len() > 1).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired), (2, RoomClosedReason::Expired)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_while_no_service_ran_is_kept() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-lifetime", "1s"]).await;
    service.furnish("b").await;
    service.open_room("ana", "b").await.created();
    service.abort();
    installation.nats.kill().await;
    tokio::time::timeout(std::time::Duration::from_millis(1500), std::future::pending::<()>()).await.unwrap_err();
    installation.nats.start_again().await.unwrap();
    let log = installation.log().await;
    assert_eq!(closings(&log, "b").await, []);
    let _service = installation.service(&[]).await;
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_deadline_arms_the_current_one_and_closes_no_room() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-lifetime", "4s"]).await;
    service.furnish("b").await;
    service.furnish("c").await;
    service.open_room("ana", "b").await.created();
    service.open_room("ana", "c").await.created();
    service.post(Bearer::User("ana"), "/rooms/c.1/extensions", json!({ "hours": 1 })).await.created();
    let log = installation.log().await;
    // A deadline of another room, a moment ago, replaces the right one.
    let deadlines = Deadlines::new(log.clone(), 4);
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let now = chrono::Utc::now();
    deadlines.schedule(&"b.7".parse().unwrap(), now).await.unwrap();
    service.post(Bearer::User("ana"), "/rooms/b.1/messages", json!({ "body": "still here" })).await.created();
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired)]);
    // The extended room would have closed at the same time.
    service.post(Bearer::User("ana"), "/rooms/c.1/messages", json!({ "body": "still here" })).await.created();
    assert_eq!(closings(&log, "c").await, []);
}
