//! The client and the real services.

use std::time::Duration;

use client::{Client, Ending, Inbox, Incoming, Options, Since};
use harness::{ServiceId, Stack, StackOptions, token::Bearer};
use reqwest::Method;
use serde_json::{Value, json};
use testing::requests::{box_details, room_details, store_details};

use crate::peer::{ended, expect, heard, next_event, until};

/// Sends a command. Returns the id that it created.
async fn command(stack: &Stack, who: Bearer<'_>, method: Method, path: &str, body: Value) -> String {
    let token = stack.token(who, Duration::from_mins(5));
    let url = format!("{}{path}", stack.command_url(0));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.request(method, url).bearer_auth(token).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {answer:?}");
    let created: Value = answer.json().await.unwrap_or_default();
    created["id"].as_str().unwrap_or_default().to_owned()
}

async fn open_room(stack: &Stack) -> String {
    let ops = Bearer::Operator("ops");
    command(stack, ops, Method::POST, "/boxes", box_details("box-1")).await;
    command(stack, ops, Method::POST, "/stores", store_details("noodles")).await;
    command(stack, Bearer::User("ana"), Method::POST, "/boxes/box-1/rooms", room_details("noodles", 4)).await
}

async fn say(stack: &Stack, room: &str, body: &str) {
    let path = format!("/rooms/{room}/messages");
    command(stack, Bearer::User("ana"), Method::POST, &path, json!({ "body": body })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_followed_across_a_restart_until_the_user_leaves_it() {
    let stack = Stack::start(StackOptions { query_services: 2, ..StackOptions::default() }).await.unwrap();
    let room = open_room(&stack).await;
    let token = stack.token(Bearer::User("ana"), Duration::from_mins(5));
    let urls = [stack.query_url(0), stack.query_url(1)];
    let options = Options::new(urls.clone(), move || std::future::ready(Ok(token.clone())));
    let (client, mut inbox) = Client::connect(options.longest_delay(Duration::from_secs(1))).unwrap();
    let Ok(Incoming::Connected { url }) = heard(&mut inbox).await else { panic!("not connected") };

    // The read model may need a moment to show the membership.
    loop {
        client.subscribe(room.parse().unwrap(), Since::After(0));
        let ended = until(&mut inbox, |incoming| match incoming {
            Incoming::Ended { reason, .. } => Some(Some(reason)),
            Incoming::Subscribed { .. } => Some(None),
            _ => None,
        })
        .await;
        match ended {
            Some(Ending::Refused { code, .. }) => assert!(["not-a-member", "room-not-found"].contains(&code.as_str())),
            Some(other) => panic!("{other}"),
            None => break,
        }
    }
    let opened = next_event(&mut inbox).await;
    assert_eq!((opened.v, opened.kind.as_str(), opened.room.to_string()), (1, "room_opened", room.clone()));

    say(&stack, &room, "before").await;
    expect(&mut inbox, [2]).await;
    let index = urls.iter().position(|known| *known == url).unwrap();
    stack.kill(ServiceId::Query(index)).await;
    say(&stack, &room, "meanwhile").await;
    expect(&mut inbox, [3]).await;
    stack.start_again(ServiceId::Query(index)).await.unwrap();
    stack.stop(ServiceId::Query(1 - index)).await;
    say(&stack, &room, "after").await;
    assert_eq!(next_event(&mut inbox).await.data["body"], "after");

    command(&stack, Bearer::User("ana"), Method::DELETE, &format!("/rooms/{room}/members/me"), Value::Null).await;
    assert_eq!(ended(&mut inbox).await, Ending::Parted("left".to_owned()));
}

/// Returns the next item about ben.
async fn of_ben(inbox: &mut Inbox) -> String {
    until(inbox, |incoming| match incoming {
        Incoming::MyRooms(rooms) => Some(format!("in {} rooms", rooms.len())),
        Incoming::Membership { room, standing, .. } => Some(format!("{standing:?} {room}")),
        Incoming::Unread { room, unread } => Some(format!("{unread} unread in {room}")),
        Incoming::Alarm(alarm) => Some(format!("{} by {}", alarm.kind, alarm.by.unwrap())),
        _ => None,
    })
    .await
}

/// Checks the next items about ben, in any order.
async fn expect_all<const N: usize>(inbox: &mut Inbox, mut expected: [String; N]) {
    let mut found: [String; N] = std::array::from_fn(|_| String::new());
    for found in &mut found {
        *found = of_ben(inbox).await;
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_own_items_arrive_without_a_subscription_and_across_a_restart() {
    let env = (0..2).map(|index| (ServiceId::Query(index), "BOXROOM_HEARTBEAT", "1".to_owned())).collect();
    let stack = Stack::start(StackOptions { query_services: 2, env, ..StackOptions::default() }).await.unwrap();
    let room = open_room(&stack).await;
    let (ben, token) = (Bearer::User("ben"), stack.token(Bearer::User("ben"), Duration::from_mins(5)));
    let urls = [stack.query_url(0), stack.query_url(1)];
    let options = Options::new(urls.clone(), move || std::future::ready(Ok(token.clone())));
    let (client, mut inbox) = Client::connect(options.longest_delay(Duration::from_secs(1))).unwrap();
    let Ok(Incoming::Connected { url }) = heard(&mut inbox).await else { panic!("not connected") };
    assert_eq!(of_ben(&mut inbox).await, "in 0 rooms");

    command(&stack, ben, Method::POST, &format!("/rooms/{room}/members"), json!({})).await;
    assert_eq!(of_ben(&mut inbox).await, format!("Inside {room}"));
    say(&stack, &room, "hello @ben").await;
    expect_all(&mut inbox, [format!("1 unread in {room}"), "mention by ana".to_owned()]).await;
    let page = client.fetch(room.parse().unwrap(), 0).await.unwrap();
    let message = page.events.last().unwrap().data["message_id"].clone();
    command(&stack, ben, Method::PUT, &format!("/rooms/{room}/read-marker"), json!({ "message_id": message })).await;
    assert_eq!(of_ben(&mut inbox).await, format!("0 unread in {room}"));

    let index = urls.iter().position(|known| *known == url).unwrap();
    stack.kill(ServiceId::Query(index)).await;
    say(&stack, &room, "are you there, @ben?").await;
    // A new connection repeats all of it at first, before the alarm or after it.
    let mut seen = Vec::new();
    let (alarm, rooms) = ("mention by ana".to_owned(), "in 1 rooms".to_owned());
    while !(seen.contains(&alarm) && seen.contains(&rooms)) {
        seen.push(of_ben(&mut inbox).await);
    }
    command(&stack, ben, Method::DELETE, &format!("/rooms/{room}/members/me"), Value::Null).await;
    while seen.last() != Some(&format!("Left {room}")) {
        seen.push(of_ben(&mut inbox).await);
    }
    assert_eq!(seen.iter().filter(|what| **what == alarm).count(), 1);
}
