//! Read markers that members of an open room are shown.

use serde_json::{Value, json};

use super::world::World;

async fn listed(world: &World) -> Vec<Value> {
    world.list("ben", "/rooms/north.2/members", "read_up_to").await
}

#[tokio::test]
async fn members_see_how_far_others_have_read() {
    let world = World::start().await;
    assert_eq!(listed(&world).await, [json!("22"), Value::Null]);
    let mut ben = world.watch("ben", None).await;
    ben.present(&["ben"]).await;
    world.marked("ana", 24).await;
    let markers =
        |markers: Value| json!({ "type": "signal", "room_id": "north.2", "kind": "read", "markers": markers });
    assert_eq!(ben.signal("read").await, markers(json!({ "ana": "24" })));
    // Former members, and users who hide theirs, are not shown.
    world.sql("update users set share_read_markers = false where user_id = 'ana'").await;
    for user in ["dan", "cem", "ana", "eve", "ben"] {
        world.marked(user, 23).await;
    }
    assert_eq!(ben.signal("read").await, markers(json!({ "ben": "23" })));
    assert_eq!(listed(&world).await, [Value::Null, json!("23")]);
    world.sql("update rooms set status = 'closed' where room_id = 'north.2'").await;
    assert_eq!(listed(&world).await, [Value::Null, Value::Null]);
}

#[tokio::test]
async fn an_installation_may_show_no_markers() {
    let world = World::with(&["--share-read-markers", "false"]).await;
    assert_eq!(listed(&world).await, [Value::Null, Value::Null]);
    let mut ben = world.watch("ben", None).await;
    ben.present(&["ben"]).await;
    world.marked("ben", 24).await;
    // The user's own count follows all the same.
    while ben.mine().await["unread"] != 0 {}
    world.happen(10, "door_opened", "north", json!({})).await;
    let frame = ben.any().await;
    assert_eq!(frame["type"], "door_opened", "{frame}");
}
