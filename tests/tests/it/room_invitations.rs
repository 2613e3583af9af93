//! Invitations to rooms: they replace the password, are counted, and end.

use futures::future::join_all;
use serde_json::{Value, json};
use system_tests::{Person, World, log::Device};
use testing::{requests::store_details, wait::new_key};

/// Ana hosts a locked room of this size on two command-services and two query-services.
async fn locked_room(max_members: usize) -> (World, Person, String) {
    let world = World::start_doubled().await;
    let ana = world.person("ana");
    world.install_box("box-1").await;
    world.operator().post("/stores", store_details("noodles")).await.created();
    let room = json!({ "store_id": "noodles", "title": "Lunch", "max_members": max_members, "password": "pepper" });
    let room = ana.post("/boxes/box-1/rooms", room).await.created();
    (world, ana, room)
}

async fn invite(person: &Person, room: &str, uses: u32, key: &str) -> (String, String) {
    let body = json!({ "uses": uses, "minutes": 60 });
    let made = person.post(format!("/rooms/{room}/invitations"), body).key(key).await;
    assert_eq!(made.status, 201, "{made}");
    let [number, token] = ["id", "token"].map(|name| made.json()[name].as_str().unwrap().to_owned());
    (number, token)
}

async fn listed(person: &Person, room: &str) -> Vec<Value> {
    person.get(&format!("/rooms/{room}/invitations")).await.ok().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_guests_cannot_exceed_the_uses() {
    let (world, ana, room) = locked_room(30).await;
    let (number, token) = invite(&ana, &room, 5, "one").await;
    let guests = world.people("guest", 20);
    let path = format!("/rooms/{room}/members");
    let body = json!({ "invitation": token });
    let answers = join_all(guests.iter().map(|guest| guest.post(&*path, body.clone()).into_future())).await;
    let joined: Vec<_> = guests.iter().zip(&answers).filter(|(_, answer)| answer.status == 201).collect();
    assert_eq!(joined.len(), 5);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.refused(403, "invalid-room-invitation");
    }
    answers.iter().filter(|answer| answer.status == 201).for_each(|answer| ana.remember_position(answer));
    assert_eq!(listed(&ana, &room).await, Vec::<Value>::new(), "it is used up");
    let view = ana.get(&format!("/rooms/{room}")).await.ok();
    assert_eq!(view["member_count"], 6);
    let (guest, _) = joined[0];
    let feed = world.feed(guest, &room).await;
    let used = feed.iter().filter(|event| event["type"] == "room_invitation_used");
    let numbers: Vec<_> = used.map(|event| event["data"]["invitation"].to_string()).collect();
    assert_eq!(numbers, vec![number; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_same_token_which_is_nowhere_else() {
    let (world, ana, room) = locked_room(30).await;
    let (number, token) = invite(&ana, &room, 1, "same").await;
    assert_eq!(token.len(), 32);
    assert_eq!(invite(&ana, &room, 1, "same").await, (number, token.clone()));
    let other = json!({ "uses": 2, "minutes": 60 });
    let reused = ana.post(format!("/rooms/{room}/invitations"), other).key("same").await;
    reused.refused(422, "idempotency-key-reused");
    let (_, second) = invite(&ana, &room, 1, "another").await;
    assert_ne!(token, second);
    let stored = world.log().await.all_messages().await;
    assert!(stored.iter().all(|message| !message.contains(&token)), "the token is stored");
    for person in [&ana, &world.person("ben")] {
        assert!(!person.get(&format!("/rooms/{room}")).await.text().contains(&token));
    }
    assert!(!ana.get(&format!("/rooms/{room}/invitations")).await.text().contains(&token));
    assert!(!world.feed(&ana, &room).await.iter().any(|event| event.to_string().contains(&token)));

    let device = Device::connect(&world.stack).await;
    let request = json!({
        "token": ana.token(), "idempotency_key": new_key(), "path": { "room": room },
        "body": { "uses": 1, "minutes": 60 },
    });
    let reply = device.send("create_room_invitation", &request).await;
    assert_eq!((&reply["status"], &reply["problem"]["code"]), (&json!(404), &json!("unknown-command")));
    // Joining with it works over NATS too.
    let request = json!({
        "token": world.person("ben").token(), "idempotency_key": new_key(), "path": { "room": room },
        "body": { "invitation": token },
    });
    assert_eq!(device.send("join_room", &request).await["status"], 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_listed_until_it_is_revoked() {
    let (world, ana, room) = locked_room(3).await;
    let [ben, eve, zoe] = ["ben", "eve", "zoe"].map(|name| world.person(name));
    let (number, token) = invite(&ana, &room, 2, "one").await;
    let join = async |person: &Person, token: &str| {
        let body = json!({ "invitation": token, "password": "wrong" });
        person.post(format!("/rooms/{room}/members"), body).await
    };
    join(&ben, "unknown").await.refused(403, "invalid-room-invitation");
    join(&ben, "not a token").await.refused(422, "invalid-body");
    ana.remember_position(&join(&ben, &token).await);
    let [one] = &listed(&ana, &room).await[..] else { panic!("one invitation") };
    assert_eq!((&one["invitation"], &one["by"]), (&json!(number), &json!("ana")));
    assert_eq!((&one["max_uses"], &one["uses"]), (&json!(2), &json!(1)));
    ben.get(&format!("/rooms/{room}/invitations")).await.refused(403, "not-the-host");
    zoe.get(&format!("/rooms/{room}/invitations")).await.refused(403, "not-a-member");

    // Kicked stays kicked, and full stays full.
    ana.delete(format!("/rooms/{room}/members/ben")).await.done();
    join(&ben, &token).await.refused(403, "kicked");
    let (second, full) = invite(&ana, &room, 5, "two").await;
    join(&eve, &full).await.created();
    join(&zoe, &full).await.created();
    join(&world.person("pia"), &full).await.refused(409, "room-full");

    let path = |number: &str| format!("/rooms/{room}/invitations/{number}");
    ana.put(format!("/rooms/{room}/co-hosts/eve"), json!({})).await.done();
    eve.delete(path(&number)).await.done();
    eve.delete(path(&number)).via(1).await.done();
    ana.delete(path("7")).await.refused(404, "invitation-not-found");
    ana.delete(path("0")).await.refused(404, "not-found");
    ana.delete(path("x")).await.refused(404, "not-found");
    zoe.delete(path(&second)).await.refused(403, "not-the-host");
    zoe.delete(format!("/rooms/{room}/members/me")).await.done();
    join(&zoe, &token).await.refused(403, "invalid-room-invitation");
    join(&zoe, &full).await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_bounded() {
    let (_world, ana, room) = locked_room(30).await;
    let path = format!("/rooms/{room}/invitations");
    for bad in [json!({ "uses": 0, "minutes": 1 }), json!({ "uses": 101, "minutes": 1 }), json!({ "uses": 1 })] {
        ana.post(&*path, bad).await.refused(422, "invalid-body");
    }
    ana.post(&*path, json!({ "uses": 1, "minutes": 1441 })).await.refused(422, "invalid-body");
    for number in 0..10 {
        invite(&ana, &room, 1, &format!("key-{number}")).await;
    }
    ana.post(&*path, json!({ "uses": 1, "minutes": 1 })).await.refused(409, "too-many-invitations");
    ana.delete(format!("{path}/3")).await.done();
    assert_eq!(invite(&ana, &room, 1, "again").await.0, "11");
    assert_eq!(listed(&ana, &room).await.len(), 10);
}
