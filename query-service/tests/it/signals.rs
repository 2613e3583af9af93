//! Typing and presence: updated within seconds, expired after a node's death, and never about or to kicked users.

use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use futures::StreamExt;
use harness::Account;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::world::{PATIENCE, World};

/// The signals of another query-service.
struct Node {
    client: Client,
    words: Subscriber,
}

impl Node {
    async fn beside(world: &World) -> Self {
        let client = service_kit::nats::connect(&world.nats.url(Account::Query), "another").await.unwrap();
        let words = client.subscribe("signal.room.north.2").await.unwrap();
        client.flush().await.unwrap();
        Self { client, words }
    }

    async fn say(&self, word: Value) {
        self.client.publish("signal.room.north.2", word.to_string().into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// Returns the next message of the service under test.
    async fn hear(&mut self) -> Value {
        loop {
            let word = timeout(PATIENCE, self.words.next()).await.expect("no signal in time").unwrap();
            let word: Value = serde_json::from_slice(&word.payload).unwrap();
            if word["node"] != "another" {
                return word;
            }
        }
    }
}

#[tokio::test]
async fn members_see_the_presence_of_others() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    assert_eq!(
        ben.signal("presence").await,
        json!({ "type": "signal", "room_id": "north.2", "kind": "presence", "users": ["ben"] })
    );
    let mut ana = world.watch("ana", None).await;
    ben.present(&["ana", "ben"]).await;
    ana.present(&["ana", "ben"]).await;
    // A second connection of the same user changes nothing, neither does its end.
    let mut second = world.watch("ana", None).await;
    second.present(&["ana", "ben"]).await;
    drop(second);
    ana.say(json!({ "type": "unsubscribe", "room_id": "north.2" })).await;
    ben.present(&["ben"]).await;
    ana.say(json!({ "type": "subscribe", "room_id": "north.2" })).await;
    ben.present(&["ana", "ben"]).await;
    drop(ana);
    ben.present(&["ben"]).await;
}

#[tokio::test]
async fn many_presence_changes_cause_one_frame_a_second() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    ben.present(&["ben"]).await;
    let started = Instant::now();
    for _ in 0..30 {
        let mut ana = world.watch("ana", None).await;
        ana.next().await;
    }
    let mut last = world.watch("ana", None).await;
    last.next().await;
    world.happen(10, "message_posted", "ana", json!({ "body": "the last" })).await;
    let mut frames = 0;
    while ben.any().await["v"] != 10 {
        frames += 1;
    }
    assert!(frames <= started.elapsed().as_secs() + 1, "{frames} in {:?}", started.elapsed());
}

#[tokio::test]
async fn nodes_exchange_presence_and_request_it_for_new_rooms() {
    let world = World::start().await;
    let mut node = Node::beside(&world).await;
    let mut ben = world.watch("ben", None).await;
    let first = node.hear().await;
    assert_eq!((&first["kind"], &first["users"], &first["ask"]), (&json!("presence"), &json!(["ben"]), &json!(true)));
    node.say(json!({ "kind": "presence", "node": "another", "users": ["ana"], "ask": false })).await;
    ben.present(&["ana", "ben"]).await;
    // It answers a node that asks, and repeats its users otherwise.
    node.say(json!({ "kind": "presence", "node": "another", "users": ["ana"], "ask": true })).await;
    let answer = node.hear().await;
    assert_eq!((&answer["users"], &answer["ask"]), (&json!(["ben"]), &json!(false)));
    assert_eq!(node.hear().await, answer);
    // A clean end is announced at once, in both directions.
    node.say(json!({ "kind": "presence", "node": "another", "users": [], "ask": false })).await;
    ben.present(&["ben"]).await;
    drop(ben);
    assert_eq!(node.hear().await["users"], json!([]));
}

#[tokio::test]
async fn a_stopping_service_withdraws_the_presence_of_its_users() {
    let mut world = World::start().await;
    let mut node = Node::beside(&world).await;
    let mut ben = world.watch("ben", None).await;
    assert_eq!(node.hear().await["users"], json!(["ben"]));
    assert_eq!(ben.next().await["type"], "subscribed");
    world.stop();
    ben.bye().await;
    assert_eq!(node.hear().await["users"], json!([]));
    drop(ben);
    world.stopped().await;
}

#[tokio::test]
async fn other_members_see_typing_but_not_every_keystroke() {
    let world = World::start().await;
    let mut node = Node::beside(&world).await;
    let mut ben = world.watch("ben", None).await;
    let mut ana = world.watch("ana", None).await;
    ben.present(&["ana", "ben"]).await;
    for _ in 0..5 {
        ana.say(json!({ "type": "typing", "room_id": "north.2" })).await;
    }
    let typing = json!({ "type": "signal", "room_id": "north.2", "kind": "typing", "user_id": "ana" });
    assert_eq!(ben.signal("typing").await, typing);
    node.say(json!({ "kind": "typing", "node": "another", "user": "cem" })).await;
    // ben gets no second signal in between, and ana none of her own.
    assert_eq!(ben.signal("typing").await["user_id"], "cem");
    assert_eq!(ana.signal("typing").await["user_id"], "cem");
    let mut heard = node.hear().await;
    while heard["kind"] != "typing" {
        heard = node.hear().await;
    }
    assert_eq!(heard["user"], "ana");
    // The next signal follows after a pause.
    let said = Instant::now();
    let again = async {
        let mut seen = false;
        while !seen {
            ana.say(json!({ "type": "typing", "room_id": "north.2" })).await;
            seen = timeout(Duration::from_millis(100), ben.signal("typing")).await.is_ok();
        }
    };
    timeout(PATIENCE, again).await.expect("typing is seen again");
    assert!(said.elapsed() > Duration::from_secs(1));

    ana.say(json!({ "type": "typing", "room_id": "north.1" })).await;
    let refusal = ana.next().await;
    assert_eq!((&refusal["code"], &refusal["room_id"]), (&json!("not-subscribed"), &json!("north.1")));
}

#[tokio::test]
async fn a_removed_member_is_no_longer_present_and_sees_no_presence() {
    let world = World::start().await;
    let node = Node::beside(&world).await;
    let mut ben = world.watch("ben", None).await;
    let mut ana = world.watch("ana", None).await;
    node.say(json!({ "kind": "presence", "node": "another", "users": ["ben"], "ask": false })).await;
    ana.present(&["ana", "ben"]).await;
    world.sql("update members set standing = 'kicked' where user_id = 'ben'").await;
    world.happen(10, "member_kicked", "ana", json!({ "user_id": "ben" })).await;
    ana.present(&["ana"]).await;
    ana.say(json!({ "type": "typing", "room_id": "north.2" })).await;
    while ben.next().await["type"] != "unsubscribed" {}
    ben.say(json!({ "type": "typing", "room_id": "north.2" })).await;
    assert_eq!(ben.any().await["code"], "not-subscribed", "and no signal before");
}
