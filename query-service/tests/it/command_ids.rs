//! The id of a command is shown with its events to the user who sent it, and to no other member.

use serde_json::{Value, json};

use super::{listener::Listener, watcher::Watcher, world::World};

const NORTH: &str = "rooms=north.2";

/// The users who read, and the ids that they are shown of two commands of ana.
const READERS: [(&str, [Option<&str>; 2]); 2] = [("ana", [Some("c-10"), Some("c-11")]), ("ben", [None, None])];

/// Two commands of ana. The event of the second one is read from the feed, because its notification is incomplete.
async fn send_commands(world: &World) {
    world.happen_by_command(10, "message_posted", "ana", json!({ "body": "hi" }), "c-10").await;
    world.happen_by_command(11, "member_joined", "ana", json!({ "user_id": "eve" }), "c-11").await;
}

fn command_id(event: &Value) -> Option<String> {
    event.get("command_id").map(|id| id.as_str().unwrap().to_owned())
}

async fn next_two(watcher: &mut Watcher) -> [Option<String>; 2] {
    let (first, second) = (watcher.next().await, watcher.next().await);
    assert_eq!((&first["v"], &second["v"]), (&json!(10), &json!(11)));
    [command_id(&first), command_id(&second)]
}

async fn next_two_of_stream(listener: &mut Listener) -> [Option<String>; 2] {
    let (first, second) = (listener.next().await, listener.next().await);
    assert_eq!((&first["v"], &second["v"]), (&json!(10), &json!(11)));
    [command_id(&first), command_id(&second)]
}

#[tokio::test]
async fn only_the_sender_reads_the_id_in_the_feed() {
    let world = World::start().await;
    send_commands(&world).await;
    for (user, expected) in READERS {
        let (_, page) = world.get(user, "/rooms/north.2/events?after_v=9").await;
        let found: Vec<_> = page["items"].as_array().unwrap().iter().map(command_id).collect();
        assert_eq!(found, expected.map(|id| id.map(str::to_owned)), "{user}");
    }
}

#[tokio::test]
async fn only_the_sender_receives_the_id_on_a_live_connection() {
    let world = World::start().await;
    let mut watchers = Vec::new();
    for (user, expected) in READERS {
        let mut watcher = world.watch(user, None).await;
        assert_eq!(watcher.next().await["type"], "subscribed");
        watchers.push((watcher, user, expected.map(|id| id.map(str::to_owned))));
    }
    send_commands(&world).await;
    for (watcher, user, expected) in &mut watchers {
        assert_eq!(next_two(watcher).await, *expected, "{user}");
        watcher.say(json!({ "type": "fetch", "id": 1, "room_id": "north.2", "after_v": 9 })).await;
        assert_eq!(next_two(watcher).await, *expected, "fetched by {user}");
        let mut late = world.watch(user, Some(9)).await;
        assert_eq!(late.next().await["recovered"], true);
        assert_eq!(next_two(&mut late).await, *expected, "replayed to {user}");
    }
}

#[tokio::test]
async fn only_the_sender_receives_the_id_on_an_event_stream() {
    let world = World::start().await;
    let mut listeners = Vec::new();
    for (user, expected) in READERS {
        let mut listener = Listener::open(&world, user, NORTH).await;
        listener.until("subscribed").await;
        let last_id = listener.last_id.clone();
        listeners.push((listener, last_id, user, expected.map(|id| id.map(str::to_owned))));
    }
    send_commands(&world).await;
    for (listener, last_id, user, expected) in &mut listeners {
        assert_eq!(next_two_of_stream(listener).await, *expected, "{user}");
        let mut late = Listener::reopen(&world, user, NORTH, last_id).await;
        late.until("subscribed").await;
        assert_eq!(next_two_of_stream(&mut late).await, *expected, "replayed to {user}");
    }
}
