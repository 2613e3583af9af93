//! Versions are delivered once and in order, in whatever order they arrive.

use std::time::Duration;

use client::{Client, Ending, Incoming, Since};
use serde_json::{Value, json};

use crate::peer::{ROOM, Server, ended, expect, heard, next_event, options};

#[tokio::test]
async fn a_repeated_event_is_delivered_once() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 3).await;
    peer.events([1, 1, 2, 1, 2, 3, 3, 2, 4]).await;
    expect(&mut inbox, [1, 2, 3, 4]).await;
}

#[tokio::test]
async fn a_gap_is_requested_on_the_same_connection() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 1).await;
    peer.events([1, 3, 4]).await;
    let again = peer.next().await;
    assert_eq!((&again["type"], &again["room_id"], &again["v"]), (&json!("subscribe"), &json!(ROOM), &json!(1)));
    peer.events([5]).await;
    peer.subscribed(&again["id"], 5).await;
    peer.events([2, 3, 4, 5, 6]).await;
    expect(&mut inbox, [1, 2, 3, 4, 5, 6]).await;
}

#[tokio::test]
async fn a_service_that_never_fills_a_gap_is_abandoned_for_a_new_connection() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 2).await;
    peer.events([2]).await;
    let again = peer.next().await;
    peer.subscribed(&again["id"], 2).await;
    peer.events([2]).await;
    peer.until_gone().await;
    server.greet(0, 2).await.events([1, 2]).await;
    expect(&mut inbox, [1, 2]).await;
}

#[tokio::test]
async fn a_lost_tail_is_detected_by_the_pings() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 1).await;
    peer.events([1]).await;
    for _ in 0..2 {
        peer.say(json!({ "type": "ping", "heads": { ROOM: 2 } })).await;
        assert_eq!(peer.next().await, json!({ "type": "pong" }));
    }
    let again = peer.next().await;
    peer.subscribed(&again["id"], 2).await;
    peer.events([2]).await;
    expect(&mut inbox, [1, 2]).await;
}

#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let server = Server::start().await;
    let (client, mut inbox) = Client::connect(options([server.url()]).capacity(2)).unwrap();
    client.subscribe(ROOM.parse().unwrap(), Since::After(0));
    let mut peer = server.greet(0, 0).await;
    let reading = async {
        for v in 1..=500 {
            assert_eq!(next_event(&mut inbox).await.v, v);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(peer.events(1..=500), reading);
}

#[tokio::test]
async fn rooms_are_added_and_removed_on_a_connection() {
    let server = Server::start().await;
    let (client, mut inbox) = Client::connect(options([server.url()])).unwrap();
    let mut peer = server.call().await;
    assert_eq!(peer.next().await, json!({ "type": "hello", "token": "a token", "rooms": [] }));
    peer.welcome(60_000).await;
    assert_eq!(heard(&mut inbox).await, Ok(Incoming::Connected { url: server.url() }));

    client.subscribe(ROOM.parse().unwrap(), Since::Now);
    let wish = peer.next().await;
    assert_eq!((&wish["type"], &wish["room_id"], &wish["v"]), (&json!("subscribe"), &json!(ROOM), &Value::Null));
    peer.subscribed(&wish["id"], 6).await;
    peer.events([7]).await;
    expect(&mut inbox, [7]).await;

    client.unsubscribe(&ROOM.parse().unwrap());
    assert_eq!(peer.next().await, json!({ "type": "unsubscribe", "room_id": ROOM }));
    peer.events([8]).await;
    let end = Incoming::Ended { room: ROOM.parse().unwrap(), reason: Ending::Requested };
    assert_eq!(heard(&mut inbox).await, Ok(end));

    client.subscribe(ROOM.parse().unwrap(), Since::After(7));
    let wish = peer.next().await;
    peer.subscribed(&wish["id"], 8).await;
    peer.events([8]).await;
    expect(&mut inbox, [8]).await;
    peer.say(json!({ "type": "unsubscribed", "room_id": ROOM, "reason": "kicked" })).await;
    assert_eq!(ended(&mut inbox).await, Ending::Parted("kicked".to_owned()));
}

#[tokio::test]
async fn a_temporary_refusal_does_not_end_a_room() {
    let server = Server::start().await;
    let (client, mut inbox) = Client::connect(options([server.url()])).unwrap();
    let mut peer = server.call().await;
    peer.next().await;
    peer.welcome(60_000).await;
    client.subscribe(ROOM.parse().unwrap(), Since::After(0));
    let refuse =
        |id: &Value, code| json!({ "type": "error", "id": id, "room_id": ROOM, "code": code, "detail": "why" });
    let wish = peer.next().await;
    peer.say(refuse(&wish["id"], "database-unavailable")).await;
    let wish = peer.next().await;
    peer.say(refuse(&wish["id"], "not-a-member")).await;
    let reason = Ending::Refused { code: "not-a-member".to_owned(), detail: "why".to_owned() };
    assert_eq!(ended(&mut inbox).await, reason);
}

#[tokio::test]
async fn unknown_frames_and_fields_are_ignored() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 2).await;
    peer.say(json!({ "type": "signal", "room_id": ROOM, "kind": "singing", "user_id": "ben" })).await;
    peer.say(json!({ "type": "cake", "room_id": ROOM, "slices": 2 })).await;
    peer.say(json!({ "type": "lagging", "room_id": ROOM, "from_v": 0 })).await;
    peer.say(json!({ "type": "error", "code": "too-many-frames", "detail": "slowly" })).await;
    peer.events([1]).await;
    expect(&mut inbox, [1]).await;
    let silence = tokio::time::timeout(Duration::from_millis(50), inbox.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}
