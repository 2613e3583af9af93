//! A room closes at its deadline exactly once, even if it is empty or services restart.

use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{
    requests::room_details,
    wait::{eventually, moment, until_after},
};

/// Starts two command-services whose rooms have this lifetime.
async fn short_lived_rooms(lifetime: &str) -> World {
    let lifetime = |index| (ServiceId::Command(index), "BOXROOM_ROOM_LIFETIME", lifetime.to_owned());
    let env = vec![lifetime(0), lifetime(1)];
    World::start(StackOptions { command_services: 2, env, ..StackOptions::default() }).await
}

/// Waits until the read model shows the room as closed, and checks that its deadline closed it once.
async fn closes_once(world: &World, reader: &Person, room: &str) {
    eventually(&format!("{room} is closed"), async || {
        let view = reader.get(&format!("/rooms/{room}")).await.ok();
        (view["status"] == "closed").then_some(())
    })
    .await;
    assert_eq!(closings(world, reader, room).await, [json!("expired")]);
}

/// The reasons of all closings in a room's feed.
async fn closings(world: &World, reader: &Person, room: &str) -> Vec<Value> {
    let feed = world.feed(reader, room).await;
    feed.iter().filter(|event| event["type"] == "room_closed").map(|event| event["data"]["reason"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_closes_automatically_without_requests_and_with_two_services() {
    let world = short_lived_rooms("3s").await;
    let ana = world.person("ana");
    let rooms = futures::future::join_all((0..8).map(|number| {
        let (world, ana) = (&world, &ana);
        async move { world.open_room(ana, &format!("box-{number}"), 2).await }
    }))
    .await;
    let view = ana.get(&format!("/rooms/{}", rooms[0])).await.ok();
    assert_eq!((moment(&view["closes_at"]) - moment(&view["opened_at"])).num_seconds(), 3);
    for room in &rooms {
        closes_once(&world, &ana, room).await;
        let closing = world.feed(&ana, room).await.pop().unwrap();
        assert_eq!(closing["by"], Value::Null, "no user closed it: {closing}");
    }
    assert_eq!(ana.get("/boxes?free=true").await.items().len(), rooms.len());
    ana.say(&rooms[0], "anybody?").await.refused(409, "room-closed");
    // It was closed once, although both services received the deadline.
    assert_eq!(ana.post("/boxes/box-0/rooms", room_details("store-of-box-0", 2)).await.created(), "box-0.2");
    closes_once(&world, &ana, "box-0.2").await;
    for room in &rooms {
        assert_eq!(closings(&world, &ana, room).await, [json!("expired")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_closes_even_if_everything_was_down_at_its_deadline() {
    let world = short_lived_rooms("4s").await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    let closes_at = moment(&ana.get(&format!("/rooms/{room}")).await.ok()["closes_at"]);
    for service in [ServiceId::Command(0), ServiceId::Command(1)] {
        world.stack.kill(service).await;
    }
    world.stack.nats().kill().await;
    assert_eq!(ana.get(&format!("/rooms/{room}")).await.ok()["status"], "open");
    until_after(closes_at).await;
    world.stack.nats().start_again().await.unwrap();
    for service in [ServiceId::Command(0), ServiceId::Command(1)] {
        world.stack.start_again(service).await.unwrap();
    }
    closes_once(&world, &ana, &room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_past_its_deadline_accepts_nothing_and_is_replaced_by_the_next() {
    let world = short_lived_rooms("2s").await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 2).await;
    let closes_at = moment(&ana.get(&format!("/rooms/{room}")).await.ok()["closes_at"]);
    until_after(closes_at).await;
    // The deadline may have fired or not.
    ana.say(&room, "too late").await.refused(409, "room-closed");
    ben.post(format!("/rooms/{room}/members"), json!({})).await.refused(409, "room-closed");
    let next = ben.post("/boxes/box-1/rooms", room_details("store-of-box-1", 2)).await;
    assert_eq!(next.created(), "box-1.2");
    ana.remember_position(&next);
    assert_eq!(closings(&world, &ana, &room).await, [json!("expired")]);
    ben.say("box-1.2", "in time").await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_warned_ten_minutes_before_the_end() {
    let world = short_lived_rooms("720s").await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 2).await;
    world.join(&ben, &room).await;
    let closes_at = ana.get(&format!("/rooms/{room}")).await.ok()["closes_at"].clone();
    world.log().await.fire_deadline("box-1").await;
    for person in [&ana, &ben] {
        eventually(&format!("{} is warned", person.id()), async || {
            let alarms = person.get("/me/alarms").await.items();
            alarms.iter().any(|alarm| alarm["kind"] == "closing_soon").then_some(())
        })
        .await;
    }
    let feed = world.feed(&ana, &room).await;
    let warnings: Vec<_> = feed.iter().filter(|event| event["type"] == "room_closing_soon").collect();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert_eq!((&warning["by"], &warning["data"]), (&Value::Null, &json!({ "closes_at": closes_at })));
    ana.say(&room, "still here").await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_moves_the_deadline_and_a_closed_room_stays_closed() {
    let world = short_lived_rooms("3s").await;
    let ana = world.person("ana");
    let extended = world.open_room(&ana, "box-1", 2).await;
    let closes_at = moment(&ana.get(&format!("/rooms/{extended}")).await.ok()["closes_at"]);
    ana.post(format!("/rooms/{extended}/extensions"), json!({ "hours": 1 })).await.created();

    let closed = world.open_room(&ana, "box-2", 2).await;
    let later = moment(&ana.get(&format!("/rooms/{closed}")).await.ok()["closes_at"]);
    ana.delete(format!("/rooms/{closed}")).await.done();
    // The third room's deadline comes after those of the others would have.
    let third = world.open_room(&ana, "box-3", 2).await;
    until_after(closes_at.max(later)).await;
    closes_once(&world, &ana, &third).await;

    ana.say(&extended, "still here").await.created();
    assert_eq!(ana.get(&format!("/rooms/{extended}")).await.ok()["status"], "open");
    assert_eq!(closings(&world, &ana, &closed).await, [json!("host")]);
}
