//! Presence: joins, departures and crashes are shown within seconds, with at most one frame a second.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Live, Person, World};
use testing::wait::eventually;
use tokio::time::timeout;

/// The time limit for a change to be shown.
const SOON: Duration = Duration::from_secs(5);

/// The time after which the users of a crashed node are gone.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// The additional time for the frame's delivery.
const SLACK: Duration = Duration::from_secs(3);

/// Returns the connected users, if this is a presence frame.
fn present(frame: &Value) -> Option<BTreeSet<&str>> {
    let users = (frame["kind"] == "presence").then(|| frame["users"].as_array())??;
    Some(users.iter().filter_map(Value::as_str).collect())
}

/// Reads until exactly these users are present, and returns the duration.
async fn sees(live: &mut Live, people: &[&str], patience: Duration) -> Duration {
    let (begin, wanted) = (Instant::now(), people.iter().copied().collect::<BTreeSet<_>>());
    let seen = timeout(patience, async {
        loop {
            let frame = live.next().await.unwrap();
            if present(&frame).as_ref() == Some(&wanted) {
                return;
            }
            if frame["type"] == "ping" {
                live.send(&json!({ "type": "pong" })).await;
            }
        }
    });
    assert!(seen.await.is_ok(), "not seen within {patience:?}: {people:?}; {:#?}", live.frames().last());
    begin.elapsed()
}

/// A room with these users as members, which the read model shows.
async fn room_of(world: &World, people: &[Person]) -> String {
    let room = world.open_room(&people[0], "box-1", people.len()).await;
    for guest in &people[1..] {
        world.join(guest, &room).await;
    }
    // The last member's join is projected after all others.
    let last = people[people.len() - 1].id();
    eventually("all are inside", async || {
        let members = people[0].get_all(&format!("/rooms/{room}/members")).await;
        members.iter().any(|member| member["user_id"] == last).then_some(())
    })
    .await;
    room
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_changes_appear_within_seconds_and_users_of_a_dead_node_expire() {
    let world = World::start(StackOptions { query_services: 2, ..StackOptions::default() }).await;
    let people = ["ana", "ben", "cem", "dua"].map(|name| world.person(name));
    let room = room_of(&world, &people).await;
    let [ana, ben, cem, dua] = &people;
    let connect = async |person: &Person, node| {
        let mut live = world.live(node).await;
        live.hello(person.token(), &[(&room, None)]).await;
        live.subscribed(&room).await;
        live
    };
    let mut watching = connect(ana, 0).await;
    sees(&mut watching, &["ana"], SOON).await;
    let beside = connect(ben, 0).await;
    sees(&mut watching, &["ana", "ben"], SOON).await;
    let mut elsewhere = connect(cem, 1).await;
    sees(&mut watching, &["ana", "ben", "cem"], SOON).await;
    sees(&mut elsewhere, &["ana", "ben", "cem"], SOON).await;
    drop(beside);
    sees(&mut watching, &["ana", "cem"], SOON).await;
    let _doomed = connect(dua, 1).await;
    sees(&mut watching, &["ana", "cem", "dua"], SOON).await;

    world.stack.kill(ServiceId::Query(1)).await;
    let took = sees(&mut watching, &["ana"], HALF_A_MINUTE + SLACK).await;
    eprintln!("the users of a node that was killed were gone after {took:?}");
    // A user of the crashed node is shown at once after a reconnect to the other node.
    let _back = connect(cem, 0).await;
    sees(&mut watching, &["ana", "cem"], SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_arrivals_within_a_second_cause_one_frame_a_second() {
    let world = World::start(StackOptions { query_services: 2, ..StackOptions::default() }).await;
    let people = world.people("member", 100);
    let room = room_of(&world, &people).await;
    let mut watching = world.follow(&people[0], &room, 0).await;
    sees(&mut watching, &["member-0"], SOON).await;

    let (begin, everybody) = (Instant::now(), people.iter().map(Person::id).collect::<Vec<_>>());
    let coming = join_all((0..200).map(|number| {
        let (world, room, person) = (&world, &room, &people[number / 2]);
        async move {
            let mut live = world.live(number % 2).await;
            live.hello(person.token(), &[(room, None)]).await;
            live.subscribed(room).await;
            live
        }
    }));
    let told_before = watching.frames().len();
    let (lives, _) = tokio::join!(coming, sees(&mut watching, &everybody, SOON * 2));
    eprintln!("{} came within {:?}", lives.len(), begin.elapsed());
    drop(lives);
    sees(&mut watching, &["member-0"], SOON * 2).await;
    let told = watching.frames()[told_before..].iter().filter(|frame| present(frame).is_some()).count();
    let took = begin.elapsed();
    eprintln!("{told} presence frames in {took:?}");
    // The first change is sent at once, and each later one at least a second after the one before.
    assert!(told as u64 <= took.as_secs() + 1, "{told} presence frames in {took:?}");
}
