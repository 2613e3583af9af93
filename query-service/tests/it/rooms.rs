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
            "opened_at": "2026-01-03T12:00:00Z", "closes_at": "2026-01-03T15:00:00Z", "v": 9, "slow_mode_seconds": 0,
        })
    );
    assert_eq!(world.get("ana", "/rooms/north.2").await.1["pinned"], json!([]), "a member sees the pins");
    let (_, closed) = world.get("eve", "/rooms/north.1").await;
    assert_eq!((&closed["status"], &closed["closed_reason"]), (&json!("closed"), &json!("expired")));
    assert_eq!(world.get("eve", "/rooms/north.3").await.1["code"], "room-not-found");
    assert_eq!(world.get("eve", "/rooms/north").await.1["code"], "not-found");
    assert_eq!(world.get("eve", "/stores/none").await.1["code"], "store-not-found");
    assert_eq!(world.get("eve", "/stores/pizza").await.1["open"], false);
}

#[tokio::test]
async fn open_rooms_are_found_around_a_location() {
    let world = World::start().await;
    world
        .sql(
            "update boxes set room_id = 'south.1' where box_id = 'south';
         insert into rooms select 'south', 'south.1', 1, 'pizza', zip_code, 'Dinner', false, 'open', null, 'eve', 1, 5,
             false, 'gathering', '2026-01-03T12:30:00Z', '2026-01-03T15:00:00Z', null, 1, 0, opened_at, ''
         from rooms where room_id = 'north.2'",
        )
        .await;
    // South is 0.05 degrees of latitude away.
    let near = "/rooms?near=51.35,12.37";
    assert_eq!(world.list("eve", near, "room_id").await, ["north.2"], "within 5 km");
    let wide = format!("{near}&radius=6000");
    assert_eq!(world.list("eve", &wide, "room_id").await, ["north.2", "south.1"]);
    let distances = world.list("eve", &wide, "distance_m").await;
    assert!((5_559.0..5_561.0).contains(&distances[1].as_f64().unwrap()), "{distances:?}");
    assert_eq!(world.list("eve", &format!("{wide}&store_id=pizza"), "room_id").await, ["south.1"]);
    assert!(world.list("eve", &format!("{wide}&zip_code=04177"), "room_id").await.is_empty());

    let (_, page) = world.get("eve", &format!("{wide}&limit=1")).await;
    assert_eq!(page["items"][0]["room_id"], "north.2");
    let next = format!("{wide}&limit=1&cursor={}", page["next"].as_str().unwrap());
    let (_, page) = world.get("eve", &next).await;
    assert_eq!((&page["items"][0]["room_id"], &page["next"]), (&json!("south.1"), &json!(null)));

    for bad in ["radius=10", "near=51,12&radius=0", "near=51,12&radius=100001", "near=51,12&status=closed", "near=x"] {
        assert_eq!(world.get("eve", &format!("/rooms?{bad}")).await.1["code"], "invalid-query", "{bad}");
    }
}

#[tokio::test]
async fn users_are_shown_by_their_ids() {
    let world = World::start().await;
    let ana = json!({ "user_id": "ana", "nickname": "Ana", "erased": false });
    let gone = json!({ "user_id": "gone", "nickname": null, "erased": true });
    assert_eq!(world.get("eve", "/users/ana").await, (200, ana.clone()));
    assert_eq!(world.get("eve", "/users/gone").await, (200, gone.clone()));
    assert_eq!(world.get("eve", "/users/none").await.1["code"], "user-not-found");
    assert_eq!(world.get("eve", "/users/NONE").await.1["code"], "not-found");
    assert_eq!(world.get("eve", "/users?ids=none,gone,ana").await, (200, json!({ "items": [ana, gone] })));
    for bad in ["", "?ids=", "?ids=Ana", "?ids=ana&limit=1"] {
        assert_eq!(world.get("eve", &format!("/users{bad}")).await.1["code"], "invalid-query", "{bad}");
    }
}

#[tokio::test]
async fn a_card_has_an_entity_tag() {
    let world = World::start().await;
    let token = format!("Bearer {}", world.token("eve"));
    let path = "/rooms/north.2";
    let first = world.get_with(path, &[("authorization", &token)]).await;
    assert_eq!(first.headers()["cache-control"], "private, no-cache");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let known = [("authorization", token.as_str()), ("if-none-match", &tag)];
    let again = world.get_with(path, &known).await;
    assert_eq!((again.status(), again.headers()["etag"].to_str().unwrap()), (304.try_into().unwrap(), tag.as_str()));
    assert!(again.bytes().await.unwrap().is_empty());
    world.sql("update rooms set member_count = 3 where room_id = 'north.2'").await;
    let changed = world.get_with(path, &known).await;
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.headers()["etag"].to_str().unwrap(), tag);
    // A refusal has none.
    assert!(world.get_with("/rooms/north.9", &known).await.headers().get("etag").is_none());
}

#[tokio::test]
async fn a_long_list_is_compressed() {
    let world = World::start().await;
    let token = format!("Bearer {}", world.token("ana"));
    for (path, encoding, expected) in [
        ("/rooms/north.2/events", "gzip", Some("gzip")),
        ("/rooms/north.2/events", "br, gzip", Some("br")),
        ("/rooms/north.2/events", "identity", None),
        ("/stores/pizza", "gzip", None),
    ] {
        let response = world.get_with(path, &[("authorization", &token), ("accept-encoding", encoding)]).await;
        let found = response.headers().get("content-encoding").map(|encoding| encoding.to_str().unwrap().to_owned());
        assert_eq!(found.as_deref(), expected, "{path} {encoding}");
    }
}
