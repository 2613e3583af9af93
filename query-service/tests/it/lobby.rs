//! The lobby: open rooms of an area on live connections.

use serde_json::{Value, json};

use super::{listener::Listener, watcher::Watcher, world::World};

async fn connected(world: &World, user: &str) -> Watcher {
    let mut watcher = world.connect().await;
    watcher.say(json!({ "type": "hello", "token": world.token(user) })).await;
    assert_eq!(watcher.next().await["type"], "welcome");
    watcher
}

/// Subscribes to an area and returns the ids of its rooms.
async fn subscribed(watcher: &mut Watcher, area: &Value) -> Vec<Value> {
    let mut frame = json!({ "type": "subscribe_lobby", "id": 1 });
    frame.as_object_mut().unwrap().extend(area.as_object().unwrap().clone());
    watcher.say(frame).await;
    assert_eq!(watcher.next().await, json!({ "type": "lobby_subscribed", "id": 1 }));
    let lobby = watcher.next().await;
    assert_eq!(lobby["type"], "lobby");
    ids(&lobby)
}

fn ids(frame: &Value) -> Vec<Value> {
    frame["rooms"].as_array().unwrap().iter().map(|room| room["room_id"].clone()).collect()
}

#[tokio::test]
async fn an_area_is_sent_as_a_whole_and_then_as_changes() {
    let world = World::start().await;
    let mut by_zip_code = connected(&world, "eve").await;
    let mut around = connected(&world, "eve").await;
    let mut elsewhere = connected(&world, "eve").await;
    assert_eq!(subscribed(&mut by_zip_code, &json!({ "zip_code": "04109" })).await, ["north.2"]);
    assert_eq!(subscribed(&mut around, &json!({ "near": "51.35,12.37", "radius": 1000 })).await, ["north.2"]);
    assert!(subscribed(&mut elsewhere, &json!({ "zip_code": "04177" })).await.is_empty());
    // The second follower of an area gets what the first one has.
    let mut second = connected(&world, "ana").await;
    assert_eq!(subscribed(&mut second, &json!({ "zip_code": "04109" })).await, ["north.2"]);

    world.sql("update rooms set member_count = 5 where room_id = 'north.2'").await;
    world.change_lobby("04109", (51.35, 12.37)).await;
    for watcher in [&mut by_zip_code, &mut around, &mut second] {
        let changed = watcher.next().await;
        assert_eq!((&changed["type"], &changed["removed"]), (&json!("lobby_changed"), &json!([])));
        assert_eq!((ids(&changed), &changed["rooms"][0]["full"]), (vec![json!("north.2")], &json!(true)));
    }
    world
        .sql(
            "update rooms set status = 'closed', closed_at = now() where room_id = 'north.2';
             update boxes set room_id = null where box_id = 'north'",
        )
        .await;
    world.change_lobby("04109", (51.35, 12.37)).await;
    let closed = json!({ "type": "lobby_changed", "rooms": [], "removed": ["north.2"] });
    for watcher in [&mut by_zip_code, &mut around, &mut second] {
        assert_eq!(watcher.next().await, closed);
    }
    elsewhere.say(json!({ "type": "unsubscribe_lobby", "id": 2 })).await;
    assert_eq!(elsewhere.next().await, json!({ "type": "lobby_unsubscribed", "id": 2 }), "nothing else has come");
}

#[tokio::test]
async fn a_connection_follows_one_area() {
    let world = World::start().await;
    let mut watcher = connected(&world, "eve").await;
    assert_eq!(subscribed(&mut watcher, &json!({ "zip_code": "04109" })).await, ["north.2"]);
    assert!(subscribed(&mut watcher, &json!({ "zip_code": "04177" })).await.is_empty());
    world.sql("update rooms set member_count = 3 where room_id = 'north.2'").await;
    world.change_lobby("04109", (51.35, 12.37)).await;
    assert_eq!(subscribed(&mut watcher, &json!({ "zip_code": "04109" })).await, ["north.2"]);
    for bad in [json!({}), json!({ "zip_code": "1", "near": "1,1" }), json!({ "zip_code": "1", "radius": 1 })] {
        let mut frame = json!({ "type": "subscribe_lobby", "id": 9 });
        frame.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        watcher.say(frame).await;
        let error = watcher.next().await;
        assert_eq!((&error["code"], &error["id"]), (&json!("invalid-frame"), &json!(9)), "{bad}");
    }
}

#[tokio::test]
async fn a_stream_of_events_carries_the_lobby() {
    let world = World::start().await;
    let mut streams = Vec::new();
    for query in ["lobby_zip_code=04109", "lobby_near=51.35,12.37&lobby_radius=1000&rooms=north.2"] {
        let mut stream = Listener::open(&world, "ana", query).await;
        assert_eq!(stream.next().await["type"], "welcome");
        if query.contains("rooms") {
            assert_eq!(stream.next().await["type"], "subscribed");
        }
        assert_eq!(stream.next().await, json!({ "type": "lobby_subscribed" }));
        assert_eq!(ids(&stream.until("lobby").await), ["north.2"]);
        streams.push(stream);
    }
    world.sql("update rooms set member_count = 5 where room_id = 'north.2'").await;
    world.change_lobby("04109", (51.35, 12.37)).await;
    for stream in &mut streams {
        assert_eq!(stream.until("lobby_changed").await["rooms"][0]["full"], true);
    }
    // Another stream begins with all rooms again.
    let last_id = streams.remove(0).last_id.clone();
    let mut stream = Listener::reopen(&world, "ana", "lobby_zip_code=04109", &last_id).await;
    assert_eq!(stream.until("lobby").await["rooms"][0]["full"], true);
    world.sql("update boxes set room_id = null where box_id = 'north'").await;
    world.sql("update rooms set status = 'closed', closed_at = now() where room_id = 'north.2'").await;
    world.change_lobby("04109", (51.35, 12.37)).await;
    assert_eq!(stream.until("lobby_changed").await["removed"], json!(["north.2"]));
}

#[tokio::test]
async fn a_stream_of_events_follows_one_area_at_most() {
    let world = World::start().await;
    for bad in ["lobby_radius=5", "lobby_zip_code=1&lobby_near=1,1", "lobby_zip_code=1&lobby_radius=5", "lobby_near=1"]
    {
        let (status, problem) = world.get("eve", &format!("/events?{bad}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-query")), "{bad}");
    }
}
