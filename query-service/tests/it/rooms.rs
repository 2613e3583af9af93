//! Rooms from the point of view of every signed-in user.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn rooms_are_listed_for_every_user_newest_first() {
    let world = World::start().await;
    assert_eq!(world.list("eve", "/rooms", "room_id").await, ["north.2", "north.1"]);
    assert_eq!(world.list("eve", "/rooms?status=open", "room_id").await, ["north.2"]);
    assert_eq!(world.list("eve", "/rooms?status=closed&zip_code=04109&store_id=noodles", "room_id").await, ["north.1"]);
    assert!(world.list("eve", "/rooms?zip_code=04177", "room_id").await.is_empty());
    assert!(world.list("eve", "/rooms?store_id=pizza", "room_id").await.is_empty());

    let (_, page) = world.get("eve", "/rooms?limit=1").await;
    let next = format!("/rooms?cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.list("eve", &next, "room_id").await, ["north.1"]);
}

#[tokio::test]
async fn a_room_shows_its_public_details() {
    let world = World::start().await;
    let (status, room) = world.get("eve", "/rooms/north.2").await;
    assert_eq!(status, 200);
    assert_eq!(
        room,
        json!({
            "room_id": "north.2", "box_id": "north", "store_id": "noodles", "title": "Lunch", "title_erased": false,
            "status": "open",
            "host": "ana", "member_count": 2, "max_members": 5, "locked": true, "step": "gathering",
            "opened_at": "2026-01-03T12:00:00Z", "closes_at": "2026-01-03T15:00:00Z", "v": 9,
        })
    );
    let (_, closed) = world.get("eve", "/rooms/north.1").await;
    assert_eq!((&closed["status"], &closed["closed_reason"]), (&json!("closed"), &json!("expired")));
    assert_eq!(world.get("eve", "/rooms/north.3").await.1["code"], "room-not-found");
    assert_eq!(world.get("eve", "/rooms/north").await.1["code"], "not-found");
    assert_eq!(world.get("eve", "/stores/none").await.1["code"], "store-not-found");
    assert_eq!(world.get("eve", "/stores/pizza").await.1["open"], false);
}
