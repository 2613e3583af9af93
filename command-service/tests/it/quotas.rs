//! Quotas of users.

use futures::future::join_all;
use harness::token::Bearer;
use reqwest::Method;
use serde_json::{Value, json};
use testing::{
    Answer,
    requests::{box_details, room_details, store_details},
    wait::until,
};

use crate::app::{Installation, PASSWORD, Service};

const ANA: Bearer<'_> = Bearer::User("ana");

async fn furnish(service: &Service, boxes: usize) -> Vec<String> {
    service.post(Bearer::Operator("ops"), "/stores", store_details("s")).await.created();
    let boxes: Vec<String> = (0..boxes).map(|number| format!("b{number}")).collect();
    let installed = boxes.iter().map(|id| service.post(Bearer::Operator("ops"), "/boxes", box_details(id)));
    for answer in join_all(installed).await {
        answer.created();
    }
    boxes
}

/// Opens a room, with an idempotency key for each box.
async fn open(service: &Service, who: Bearer<'_>, box_id: &str) -> Answer {
    let path = format!("/boxes/{box_id}/rooms");
    service.ask(Some(who), Some(box_id), Method::POST, &path, Some(room_details("s", 5))).await
}

async fn say(service: &Service, key: &str, room: &str, body: &str) -> Answer {
    let path = format!("/rooms/{room}/messages");
    service.ask(Some(ANA), Some(key), Method::POST, &path, Some(json!({ "body": body }))).await
}

/// Checks that a quota refused the request, and that its time helps.
#[track_caller]
fn exceeds(answer: &Answer, code: &str, most_seconds: u32) {
    answer.refused(429, code);
    let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=most_seconds).contains(&seconds), "{seconds} seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_opens_one_of_a_hundred_rooms() {
    let installation = Installation::start().await;
    let limit = ["--open-rooms-per-user", "1"];
    let services = [installation.service(&limit).await, installation.service(&limit).await];
    let boxes = furnish(&services[0], 101).await;
    let (first, last) = boxes.split_at(100);
    let attempts = first.iter().enumerate().map(|(number, box_id)| open(&services[number % 2], ANA, box_id));
    let (opened, refused): (Vec<_>, Vec<_>) =
        join_all(attempts).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(opened.len(), 1);
    for answer in refused {
        answer.refused(409, "too-many-open-rooms");
    }
    let room = opened[0].created();
    let (box_id, _) = room.split_once('.').unwrap();
    for service in &services {
        let repeated = open(service, ANA, box_id).await;
        assert_eq!((repeated.created(), repeated.is_replay()), (room.clone(), true));
    }
    open(&services[1], Bearer::User("ben"), &last[0]).await.created();

    // The former host may open another room.
    let other = first.iter().find(|other| *other != box_id).unwrap();
    open(&services[1], ANA, other).await.refused(409, "too-many-open-rooms");
    services[0].post(Bearer::User("cyd"), &format!("/rooms/{room}/members"), json!({})).await.created();
    services[0].put(ANA, &format!("/rooms/{room}/host"), json!({ "user_id": "cyd" })).await.done();
    let second = services[1].open_room_of(ANA, other).await.created();
    services[0].delete(ANA, &format!("/rooms/{second}")).await.done();
    services[1].open_room_of(ANA, other).await.created();
}

impl Service {
    /// Opens a room without an idempotency key.
    async fn open_room_of(&self, who: Bearer<'_>, box_id: &str) -> Answer {
        self.post(who, &format!("/boxes/{box_id}/rooms"), room_details("s", 5)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_opens_a_limited_number_of_rooms_in_a_day() {
    let installation = Installation::start().await;
    let service = installation.service(&["--rooms-per-day", "2"]).await;
    let boxes = furnish(&service, 3).await;
    open(&service, Bearer::User("ben"), &boxes[2]).await.created();
    open(&service, ANA, &boxes[0]).await.created();
    // What is refused by the rules does not count, and neither does a repeat.
    for _ in 0..3 {
        service.open_room_of(ANA, &boxes[2]).await.refused(409, "box-in-use");
        assert!(open(&service, ANA, &boxes[0]).await.is_replay());
    }
    open(&service, ANA, &boxes[1]).await.created();
    service.delete(Bearer::User("ben"), "/rooms/b2.1").await.done();
    exceeds(&service.open_room_of(ANA, &boxes[2]).await, "too-many-rooms", 86_400);
    assert!(open(&service, ANA, &boxes[1]).await.is_replay());
    service.open_room_of(Bearer::User("ben"), &boxes[2]).await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_in_a_limited_number_of_open_rooms() {
    let installation = Installation::start().await;
    let service = installation.service(&["--joined-rooms-per-user", "3"]).await;
    let boxes = furnish(&service, 12).await;
    for box_id in &boxes {
        open(&service, Bearer::User(&format!("host-of-{box_id}")), box_id).await.created();
    }
    let join = async |service: &Service, box_id: &str| {
        let path = format!("/rooms/{box_id}.1/members");
        service.ask(Some(ANA), Some(box_id), Method::POST, &path, Some(json!({}))).await
    };
    let answers = join_all(boxes.iter().map(|box_id| join(&service, box_id))).await;
    let joined: Vec<&String> =
        boxes.iter().zip(&answers).filter(|(_, answer)| answer.status == 201).map(|(box_id, _)| box_id).collect();
    assert_eq!(joined.len(), 3);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "too-many-joined-rooms");
    }
    assert!(join(&service, joined[0]).await.is_replay());
    let others: Vec<&String> = boxes.iter().filter(|box_id| !joined.contains(box_id)).collect();

    // A member who leaves, is kicked or whose room closes may join another room.
    let host = |box_id: &str| format!("host-of-{box_id}");
    service.delete(ANA, &format!("/rooms/{}.1/members/me", joined[0])).await.done();
    join(&service, others[0]).await.created();
    join(&service, others[1]).await.refused(409, "too-many-joined-rooms");
    service.delete(Bearer::User(&host(joined[1])), &format!("/rooms/{}.1/members/ana", joined[1])).await.done();
    join(&service, others[1]).await.created();
    service.delete(Bearer::User(&host(joined[2])), &format!("/rooms/{}.1", joined[2])).await.done();

    // Another process knows the memberships from the log.
    let another = installation.service(&["--joined-rooms-per-user", "3"]).await;
    join(&another, others[2]).await.created();
    join(&another, others[3]).await.refused(409, "too-many-joined-rooms");
    until("the first process has followed", async || {
        join(&service, others[4]).await.code().as_deref() == Some("too-many-joined-rooms")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_posts_and_edits_a_limited_number_of_messages() {
    let installation = Installation::start().await;
    let service = installation.service(&["--messages-per-minute", "3"]).await;
    furnish(&service, 1).await;
    open(&service, ANA, "b0").await.created();
    let first = say(&service, "1", "b0.1", "one").await.created();
    let edit =
        async |text: &str| service.patch(ANA, &format!("/rooms/b0.1/messages/{first}"), json!({ "body": text })).await;
    edit("two").await.done();
    edit("two").await.done();
    for number in 0..3 {
        say(&service, &format!("refused-{number}"), "b0.2", "no room").await.refused(404, "room-not-found");
        assert!(say(&service, "1", "b0.1", "one").await.is_replay());
    }
    say(&service, "3", "b0.1", "three").await.created();
    exceeds(&say(&service, "4", "b0.1", "four").await, "too-many-messages", 60);
    exceeds(&edit("five").await, "too-many-messages", 60);
    assert!(say(&service, "3", "b0.1", "three").await.is_replay());
    service.post(Bearer::User("ben"), "/rooms/b0.1/members", json!({})).await.created();
    service.post(Bearer::User("ben"), "/rooms/b0.1/messages", json!({ "body": "and me" })).await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_messages_of_a_user_are_limited() {
    let installation = Installation::start().await;
    let service = installation.service(&["--message-bytes-per-day", "10"]).await;
    furnish(&service, 1).await;
    open(&service, ANA, "b0").await.created();
    say(&service, "1", "b0.1", "äöü").await.created();
    exceeds(&say(&service, "2", "b0.1", "äöü").await, "too-much-text", 86_400);
    say(&service, "3", "b0.1", "four").await.created();
    exceeds(&say(&service, "4", "b0.1", "x").await, "too-much-text", 86_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_changes_a_room_a_limited_number_of_times() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-changes-per-minute", "4"]).await;
    furnish(&service, 1).await;
    open(&service, ANA, "b0").await.created();
    let message = say(&service, "1", "b0.1", "one").await.created();
    service.post(Bearer::User("ben"), "/rooms/b0.1/members", json!({})).await.created();
    let title = async |title: &str| service.patch(ANA, "/rooms/b0.1", json!({ "title": title })).await;
    title("One").await.done();
    // No change, no count.
    for _ in 0..3 {
        service.put(ANA, &format!("/rooms/b0.1/pins/{message}"), json!({})).await.done();
    }
    service.put(ANA, "/rooms/b0.1/members/ben/mute", json!({ "minutes": 5 })).await.done();
    service.put(ANA, "/rooms/b0.1/slow-mode", json!({ "seconds": 5 })).await.done();
    let refused = "too-many-room-changes";
    exceeds(&title("Two").await, refused, 60);
    exceeds(&service.delete(ANA, &format!("/rooms/b0.1/pins/{message}")).await, refused, 60);
    exceeds(&service.delete(ANA, "/rooms/b0.1/members/ben/mute").await, refused, 60);
    exceeds(&service.put(ANA, "/rooms/b0.1/co-hosts/ben", json!({})).await, refused, 60);
    exceeds(&service.put(ANA, "/rooms/b0.1/host", json!({ "user_id": "ben" })).await, refused, 60);
    exceeds(&service.post(ANA, "/rooms/b0.1/invitations", json!({ "uses": 1, "minutes": 5 })).await, refused, 60);
    // The room can still be closed.
    service.delete(ANA, "/rooms/b0.1").await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_changes_the_nickname_a_limited_number_of_times() {
    let installation = Installation::start().await;
    let service = installation.service(&["--nicknames-per-day", "2"]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    service.register("ben", PASSWORD, "Ben").await.created();
    let rename = async |nickname: &str| service.patch(ANA, "/users/me", json!({ "nickname": nickname })).await;
    for _ in 0..3 {
        rename("Ben").await.refused(409, "nickname-taken");
        rename("Ana").await.done();
    }
    rename("Anna").await.done();
    rename("Hanna").await.done();
    exceeds(&rename("Johanna").await, "too-many-nicknames", 86_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_of_too_many_sessions_ends() {
    let installation = Installation::start().await;
    let service = installation.service(&["--sessions-per-user", "2", "--sign-ins-per-day", "5"]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    let sign_in = async || service.sign_in("ana", PASSWORD).await.ok();
    let refresh = async |session: &Value| {
        let body = json!({ "refresh_token": session["refresh_token"] });
        service.ask(None, None, Method::POST, "/sessions/refresh", Some(body)).await
    };
    let (first, second, third) = (sign_in().await, sign_in().await, sign_in().await);
    refresh(&first).await.refused(401, "invalid-refresh-token");
    let (second, third) = (refresh(&second).await.ok(), refresh(&third).await.ok());
    // A session that has ended does not count.
    let access = third["access_token"].as_str().unwrap();
    assert_eq!(service.ask_with(access, Method::DELETE, "/sessions/current", None).await.status, 204);
    let fourth = sign_in().await;
    let second = refresh(&second).await.ok();
    sign_in().await;
    refresh(&second).await.refused(401, "invalid-refresh-token");
    refresh(&fourth).await.ok();
    service.sign_in("ana", "wrong password").await.refused(401, "wrong-credentials");
    exceeds(&service.sign_in("ana", PASSWORD).await, "too-many-sign-ins", 86_400);
}
