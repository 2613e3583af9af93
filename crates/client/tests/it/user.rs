//! The user's own items, pages of feeds, and renewal of tokens.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use client::{Client, FetchError, Incoming, Options, Sign, Since, Standing};
use serde_json::{Value, json};

use crate::peer::{Peer, ROOM, Server, expect, heard, options, until};

async fn alarm(peer: &mut Peer, number: u64) {
    let (id, at) = (format!("box-1-{number}-mention"), "2026-01-02T03:04:05.678Z");
    peer.say(json!({ "type": "alarm", "id": id, "kind": "mention", "at": at, "room_id": "b.7", "by": "ben" })).await;
}

async fn event(peer: &mut Peer, room: &str, v: u64) {
    let at = "2026-01-02T03:04:05.678Z";
    peer.say(json!({ "room_id": room, "v": v, "type": "x", "at": at, "by": "ana", "data": {} })).await;
}

/// Returns the id of the next alarm.
async fn next_alarm(inbox: &mut client::Inbox) -> String {
    until(inbox, |incoming| match incoming {
        Incoming::Alarm(alarm) => Some(alarm.id),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn alarms_are_delivered_once_across_interruptions_with_the_cursor() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 0).await;
    alarm(&mut peer, 1).await;
    peer.say(json!({ "type": "ping", "heads": {}, "cursor": "after one" })).await;
    alarm(&mut peer, 2).await;
    assert_eq!(
        [next_alarm(&mut inbox).await, next_alarm(&mut inbox).await],
        [1, 2].map(|n| format!("box-1-{n}-mention"))
    );
    drop(peer);
    let mut peer = server.call().await;
    assert_eq!(peer.next().await["cursor"], "after one");
    peer.welcome(60_000).await;
    alarm(&mut peer, 2).await;
    alarm(&mut peer, 3).await;
    assert_eq!(next_alarm(&mut inbox).await, "box-1-3-mention");
    let bye = json!({ "type": "bye", "code": 4000, "retry_ms": 0, "reason": "stopping", "cursor": "after three" });
    peer.say(bye).await;
    let mut peer = server.call().await;
    assert_eq!(peer.next().await["cursor"], "after three");
    peer.say(json!({ "type": "welcome", "session": "s", "heartbeat_ms": 60_000, "cursor": "from here" })).await;
    drop(peer);
    let mut peer = server.call().await;
    assert_eq!(peer.next().await["cursor"], "from here");
    peer.welcome(60_000).await;
    peer.say(json!({ "type": "reset", "reason": "unknown-cursor" })).await;
    let reset = until(&mut inbox, |incoming| match incoming {
        Incoming::AlarmsReset { reason } => Some(reason),
        _ => None,
    });
    assert_eq!(reset.await, "unknown-cursor");
}

#[tokio::test]
async fn own_rooms_and_signals_are_delivered_as_they_arrive() {
    let server = Server::start().await;
    let (_client, mut inbox) = Client::connect(options([server.url()])).unwrap();
    let mut peer = server.call().await;
    peer.next().await;
    peer.welcome(60_000).await;
    heard(&mut inbox).await.unwrap();
    let room = || ROOM.parse().unwrap();
    let (ana, ben) = ("ana".parse().unwrap(), "ben".parse().unwrap());
    let at = "2026-01-02T03:04:05.678Z";
    for (frame, incoming) in [
        (
            json!({ "type": "my_rooms", "rooms": { ROOM: { "unread": 3 } } }),
            Incoming::MyRooms(BTreeMap::from([(room(), 3)])),
        ),
        (
            json!({ "type": "alarms", "unread": 2, "up_to": "box-0.i.7" }),
            Incoming::UnreadAlarms { unread: 2, up_to: Some("box-0.i.7".to_owned()) },
        ),
        (
            json!({ "type": "alarm_withdrawn", "id": "box-1-7-reply" }),
            Incoming::AlarmWithdrawn { id: "box-1-7-reply".to_owned() },
        ),
        (json!({ "type": "blocks", "users": ["ana"] }), Incoming::Blocks(["ana".parse().unwrap()].into())),
        (
            json!({ "type": "alarms_withdrawn", "box_id": "b", "by": "ana" }),
            Incoming::AlarmsWithdrawn { box_id: "b".parse().unwrap(), by: "ana".parse().unwrap() },
        ),
        (json!({ "type": "unread", "room_id": ROOM, "unread": 4 }), Incoming::Unread { room: room(), unread: 4 }),
        (
            json!({ "type": "membership", "room_id": ROOM, "standing": "closed", "at": at }),
            Incoming::Membership { room: room(), standing: Standing::Closed, at: Some(at.parse().unwrap()) },
        ),
        (
            json!({ "type": "membership", "room_id": ROOM, "standing": "dreaming" }),
            Incoming::Membership { room: room(), standing: Standing::Unknown, at: None },
        ),
        (
            json!({ "type": "signal", "room_id": ROOM, "kind": "presence", "users": ["ana", "ben"] }),
            Incoming::Signal { room: room(), sign: Sign::Presence([ana, ben].into()) },
        ),
        (
            json!({ "type": "signal", "room_id": ROOM, "kind": "typing", "user_id": "cem" }),
            Incoming::Signal { room: room(), sign: Sign::Typing("cem".parse().unwrap()) },
        ),
    ] {
        peer.say(frame).await;
        assert_eq!(heard(&mut inbox).await, Ok(incoming));
    }
}

#[tokio::test]
async fn a_page_is_fetched_across_an_interruption_without_affecting_a_room() {
    let server = Server::start().await;
    let (client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 9).await;
    let asks = async |peer: &mut Peer, after_v: u64| {
        let frame = peer.next().await;
        assert_eq!(
            (&frame["type"], &frame["room_id"], &frame["after_v"]),
            (&json!("fetch"), &json!(ROOM), &json!(after_v))
        );
        frame["id"].clone()
    };
    let fetching = tokio::spawn({
        let client = client.clone();
        async move { client.fetch(ROOM.parse().unwrap(), 6).await }
    });
    asks(&mut peer, 6).await;
    event(&mut peer, ROOM, 7).await;
    drop(peer);
    let mut peer = server.greet(0, 9).await;
    let id = asks(&mut peer, 6).await;
    event(&mut peer, ROOM, 1).await;
    for v in [7, 8] {
        event(&mut peer, ROOM, v).await;
    }
    peer.say(json!({ "type": "fetched", "id": id, "room_id": ROOM, "to_v": 8, "head_v": 9 })).await;
    let page = fetching.await.unwrap().unwrap();
    assert_eq!(page.events.iter().map(|event| event.v).collect::<Vec<_>>(), [7, 8]);
    assert_eq!((page.to_v, page.head_v), (8, 9));
    // The room continues where it was, and no gap is noticed.
    event(&mut peer, ROOM, 2).await;
    expect(&mut inbox, [1, 2]).await;

    let (answer, ()) = tokio::join!(client.fetch("b.2".parse().unwrap(), 0), async {
        let id = peer.next().await["id"].clone();
        peer.say(json!({ "type": "error", "id": id, "room_id": "b.2", "code": "not-a-member", "detail": "why" })).await;
    });
    assert_eq!(answer, Err(FetchError::Refused { code: "not-a-member".to_owned(), detail: "why".to_owned() }));
    drop(inbox);
    peer.until_gone().await;
    assert_eq!(client.fetch(ROOM.parse().unwrap(), 0).await, Err(FetchError::Stopped));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_the_newer_one_is_kept() {
    let server = Server::start().await;
    let number = Arc::new(AtomicU32::new(0));
    let tokens = move || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        async move { Ok(format!("token {number}")) }
    };
    let (client, mut inbox) =
        Client::connect(Options::new([server.url()], tokens).longest_delay(Duration::from_millis(200))).unwrap();
    let mut peer = server.call().await;
    assert_eq!(peer.next().await["token"], "token 0");
    peer.say(json!({ "type": "welcome", "session": "s", "heartbeat_ms": 60_000, "expires_in_ms": 700 })).await;
    for number in 1..=2 {
        let auth = peer.next().await;
        assert_eq!((&auth["type"], &auth["token"]), (&json!("auth"), &json!(format!("token {number}"))));
        let at = "2026-01-02T03:04:05.678Z";
        let expires_in_ms = if number == 1 { json!(700) } else { Value::Null };
        let authorized =
            json!({ "type": "authorized", "id": auth["id"], "expires_at": at, "expires_in_ms": expires_in_ms });
        peer.say(authorized).await;
    }
    // A room is followed meanwhile, and the next connection begins with the newest token.
    client.subscribe(ROOM.parse().unwrap(), Since::After(0));
    let wish = peer.next().await;
    peer.subscribed(&wish["id"], 1).await;
    peer.events([1]).await;
    expect(&mut inbox, [1]).await;
    drop(peer);
    assert_eq!(server.call().await.next().await["token"], "token 2");
}
