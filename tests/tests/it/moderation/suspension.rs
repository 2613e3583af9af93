//! Suspended users: out of everything within seconds, whatever happens at the same time.

use chrono::TimeDelta;
use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Person, World, world::PASSWORD};
use testing::{
    live::Ended,
    requests::room_details,
    wait::{eventually, new_key, now, until_after},
};

use super::{audit, because, done_for, events_of, rebuild};

/// The ids of the members of a room.
async fn members(reader: &Person, room: &str) -> Vec<String> {
    let members = reader.get(&format!("/rooms/{room}/members")).await.items();
    let mut ids: Vec<_> = members.iter().map(|member| member["user_id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

async fn until_members_are(reader: &Person, room: &str, expected: &[&str]) {
    eventually(&format!("only {expected:?} are in {room}"), async || {
        (members(reader, room).await == expected).then_some(())
    })
    .await;
}

async fn is_refused(person: &Person) {
    eventually("the token is refused", async || (person.get("/boxes").await.status == 401).then_some(())).await;
    person.get("/boxes").await.refused(401, "revoked-token");
}

/// Checks that commands are refused also with a token that was issued after the suspension, as an external issuer does.
async fn commands_are_refused(world: &World, id: &str, room: &str) {
    let user = world.person(id);
    user.post(format!("/rooms/{room}/members"), json!({})).await.refused(403, "account-suspended");
    user.say(room, "I am still here").await.refused(403, "account-suspended");
    let open = user.post("/boxes/box-9/rooms", room_details("store-of-box-1", 2));
    open.await.refused(403, "account-suspended");
    user.patch("/users/me", json!({ "nickname": "innocent" })).await.refused(403, "account-suspended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_user_is_out_within_seconds_and_returns_after_the_reinstatement() {
    let world = World::start_doubled().await;
    let (ana, ben, dan) = (world.user("ana").await, world.user("ben").await, world.user("dan").await);
    let mia = world.moderator_called("mia");
    let hosted = world.open_room(&ana, "box-1", 5).await;
    let joined = world.open_room(&ben, "box-2", 5).await;
    let lonely = world.open_room(&dan, "box-3", 5).await;
    world.install_box("box-9").await;
    world.join(&ben, &hosted).await;
    world.join(&ana, &joined).await;
    let session = world.sign_in("ana", PASSWORD).await.ok();
    let other = world.bearer_of("ana", session["access_token"].as_str().unwrap());
    let mut live = world.live(0).await;
    live.hello(ana.token(), &[]).await;

    let suspended = mia.put("/users/ana/suspension", because("Spam")).await;
    suspended.done();
    mia.put("/users/dan/suspension", because("Spam")).await.done();
    for token in [&ana, &other] {
        is_refused(token).await;
    }
    match live.until_ended().await {
        Ended::Closed(Some(close)) => assert_eq!(u16::from(close.code), 4202),
        ended => panic!("{ended:?}"),
    }
    world.refresh(&session).await.refused(401, "invalid-refresh-token");
    world.sign_in("ana", PASSWORD).await.refused(403, "account-suspended");
    world.sign_in("ana", "not the password").await.refused(401, "wrong-credentials");
    commands_are_refused(&world, "ana", &hosted).await;

    until_members_are(&ben, &hosted, &["ben"]).await;
    until_members_are(&ben, &joined, &["ben"]).await;
    assert_eq!(ben.get(&format!("/rooms/{hosted}")).await.ok()["host"], "ben");
    let left = events_of(&world, &ben, &hosted, "member_left").await;
    assert_eq!((&left[0]["by"], &left[0]["data"]), (&Value::Null, &json!({ "user_id": "ana" })));
    let passed_on = &events_of(&world, &ben, &hosted, "host_transferred").await[0];
    assert_eq!(passed_on["data"], json!({ "from": "ana", "to": "ben", "change": "succession" }));
    eventually("the room without members is closed", async || {
        let shown = ben.get(&format!("/rooms/{lonely}")).await.ok();
        (shown["closed_reason"] == "empty").then_some(())
    })
    .await;

    let listed = mia.get("/moderation/users/ana").await.ok();
    assert_eq!((&listed["suspension"]["reason"], &listed["suspension"]["until"]), (&json!("Spam"), &Value::Null));
    let told = &audit(&world, &["user_suspended"]).await[0];
    assert_eq!((&told["actor"], &told["subject"]), (&json!("mia"), &json!("user ana")), "{told}");
    assert_eq!((&told["role"], &told["reason"]), (&json!("moderator"), &json!("Spam")), "{told}");
    rebuild(&world).await;
    assert_eq!(mia.get("/moderation/users/ana").await.ok(), listed);

    mia.put("/users/ana/reinstatement", because("A mistake")).await.done();
    let session = world.sign_in("ana", PASSWORD).await.ok();
    let ana = world.bearer_of("ana", session["access_token"].as_str().unwrap());
    world.join(&ana, &hosted).await;
    ana.say(&hosted, "I am back").await.created();
    assert_eq!(mia.get("/moderation/users/ana").await.ok()["suspension"], Value::Null);
    assert_eq!(audit(&world, &["user_reinstated"]).await[0]["reason"], "A mistake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_ends_by_itself() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let mia = world.moderator_called("mia");
    let room = world.open_room(&ben, "box-1", 5).await;
    world.join(&ana, &room).await;
    let suspend =
        async |until: Value| mia.put("/users/ana/suspension", json!({ "reason": "Spam", "until": until })).await;
    let (past, far) = (now() - TimeDelta::seconds(1), now() + TimeDelta::days(3662));
    for wrong in [json!(past), json!(far), json!("tomorrow"), json!(7)] {
        suspend(wrong).await.refused(422, "invalid-body");
    }
    ana.say(&room, "I am not suspended").await.created();

    let end = now() + TimeDelta::seconds(5);
    suspend(json!(end)).await.done();
    world.sign_in("ana", PASSWORD).await.refused(403, "account-suspended");
    until_members_are(&ben, &room, &["ben"]).await;
    let listed = mia.get("/moderation/users?state=suspended").await.items();
    assert_eq!(listed.len(), 1, "{listed:?}");
    until_after(end).await;
    let session = world.sign_in("ana", PASSWORD).await.ok();
    let ana = world.bearer_of("ana", session["access_token"].as_str().unwrap());
    world.join(&ana, &room).await;
    assert!(mia.get("/moderation/users?state=suspended").await.items().is_empty());
    let shown = mia.get("/moderation/users/ana").await.ok();
    assert_eq!(shown["suspension"], Value::Null, "{shown}");
    until_members_are(&ben, &room, &["ana", "ben"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_join_at_the_moment_of_a_suspension_leaves_a_user_in_a_room() {
    const USERS: usize = 8;
    const JOINS: usize = 25;
    let world = World::start_doubled().await;
    let mia = world.moderator_called("mia");
    let mut rooms = Vec::new();
    for number in 0..3 {
        let host = world.person(&format!("host-{number}"));
        rooms.push((world.open_room(&host, &format!("box-{number}"), 40).await, host));
    }
    let ids: Vec<String> = (0..USERS).map(|number| format!("guest-{number}")).collect();
    for id in &ids {
        world.register(id, PASSWORD, id).await.created();
    }
    // Each token is newer than any revocation, so that only the state of the user refuses a command.
    let (world, rooms) = (&world, &rooms);
    let join = async |id: &str, room: &str| {
        for _ in 0..JOINS {
            let guest = world.person(id);
            let joined = guest.post(format!("/rooms/{room}/members"), json!({})).await;
            // The token may have been issued just before the sessions were ended.
            let expected = ["account-suspended", "already-member", "revoked-token"];
            assert!(joined.status == 201 || expected.contains(&joined.problem_code().as_str()), "{joined}");
            guest.delete(format!("/rooms/{room}/members/me")).await;
        }
    };
    let joins = join_all(ids.iter().flat_map(|id| rooms.iter().map(move |(room, _)| join(id, room))));
    let suspensions = join_all(ids.iter().map(async |id| {
        let key = new_key();
        let suspend = || mia.put(format!("/users/{id}/suspension"), because("Spam"));
        // A repeat at another instance at the same time is the same command.
        let (one, other) =
            tokio::join!(suspend().key(&key).via(0).into_future(), suspend().key(&key).via(1).into_future());
        for answer in [one, other] {
            answer.done();
        }
    }));
    tokio::join!(joins, suspensions);
    for (room, host) in rooms {
        until_members_are(host, room, &[host.id()]).await;
    }
    assert_eq!(audit(world, &["user_suspended"]).await.len(), USERS, "each suspension was carried out once");
    for (id, (room, _)) in ids.iter().zip(rooms.iter().cycle()) {
        world.person(id).post(format!("/rooms/{room}/members"), json!({})).await.refused(403, "account-suspended");
    }
    rebuild(world).await;
    for (room, host) in rooms {
        assert_eq!(members(host, room).await, [host.id()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_completed_after_crashes() {
    let world = World::start_doubled().await;
    let mia = world.moderator_called("mia");
    let host = world.person("host");
    let room = world.open_room(&host, "box-1", 9).await;
    let mut guests = Vec::new();
    for number in 0..3 {
        let guest = world.user(&format!("guest-{number}")).await;
        world.join(&guest, &room).await;
        guests.push(guest);
    }
    let log = world.log().await;
    for guest in &guests {
        world.stack.kill(ServiceId::Projector(0)).await;
        let before = log.length().await;
        let suspension = mia.put(format!("/users/{}/suspension", guest.id()), because("Spam")).via(0);
        let kill = async {
            eventually("the suspension is stored", async || (log.length().await > before).then_some(())).await;
            world.stack.kill(ServiceId::Command(0)).await;
        };
        // The client gets no answer, or a late one, and does not repeat the command.
        let (_, ()) = tokio::join!(suspension.attempt(), kill);
        world.stack.start_again(ServiceId::Command(0)).await.unwrap();
        world.stack.start_again(ServiceId::Projector(0)).await.unwrap();
    }
    for guest in &guests {
        is_refused(guest).await;
        world.sign_in(guest.id(), PASSWORD).await.refused(403, "account-suspended");
    }
    until_members_are(&host, &room, &["host"]).await;
    let suspended = mia.get("/moderation/users?state=suspended").await.items();
    assert_eq!(suspended.len(), guests.len(), "{suspended:?}");
    done_for(&host, &mia.put(format!("/rooms/{room}/closure"), because("The end")).await);
}
