//! Boxes and stores: filters, order, pages and errors.

use serde_json::json;

use super::world::{World, fields};

#[tokio::test]
async fn boxes_show_their_status() {
    let world = World::start().await;
    let (status, page) = world.get("eve", "/boxes").await;
    assert_eq!(status, 200);
    assert_eq!(fields(&page, "box_id"), ["south", "west", "north", "old"]);
    assert_eq!(fields(&page, "status"), ["free", "out_of_service", "in_use", "retired"]);
    assert_eq!(page["next"], json!(null));

    let (_, north) = world.get("eve", "/boxes/north").await;
    assert_eq!(
        north,
        json!({
            "box_id": "north", "status": "in_use", "room_id": "north.2", "kind": "shared", "zip_code": "04109",
            "address": "North Street 1", "detailed_address": "left of the door", "latitude": 51.35, "longitude": 12.37,
            "installed_at": "2026-01-01T10:00:00Z",
        })
    );
    assert_eq!(world.get("eve", "/boxes/none").await.1["code"], "box-not-found");
    assert_eq!(world.get("eve", "/boxes/NONE").await.1["code"], "not-found");
}

#[tokio::test]
async fn boxes_are_filtered_and_sorted_by_distance() {
    let world = World::start().await;
    assert_eq!(world.list("eve", "/boxes?free=true", "box_id").await, ["south"]);
    assert_eq!(world.list("eve", "/boxes?free=false&zip_code=04109", "box_id").await, ["north"]);
    assert_eq!(world.list("eve", "/boxes?zip_code=99999", "box_id").await, Vec::<String>::new());

    let near = "/boxes?near=51.35,12.37";
    assert_eq!(world.list("eve", near, "box_id").await, ["north", "west", "old", "south"]);
    let distances = world.list("eve", near, "distance_m").await;
    assert_eq!(distances[0], 0.0);
    // 0.05 degrees of latitude.
    assert!((5_559.0..5_561.0).contains(&distances[3].as_f64().unwrap()), "{distances:?}");
}

#[tokio::test]
async fn pages_contain_every_item_once() {
    let world = World::start().await;
    for (path, order) in [
        ("/boxes?limit=1", vec!["south", "west", "north", "old"]),
        ("/boxes?limit=1&near=51.35,12.37", vec!["north", "west", "old", "south"]),
    ] {
        let mut seen = Vec::new();
        let mut next = path.to_owned();
        loop {
            let (_, page) = world.get("eve", &next).await;
            seen.extend(fields(&page, "box_id"));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("{path}&cursor={cursor}");
        }
        assert_eq!(seen, order);
    }
    let (_, page) = world.get("eve", "/stores?limit=1").await;
    assert_eq!(fields(&page, "store_id"), ["pizza"]);
    let cursor = page["next"].as_str().unwrap();
    assert_eq!(world.list("eve", &format!("/stores?cursor={cursor}"), "store_id").await, ["noodles"]);
    assert_eq!(world.list("eve", "/stores?zip_code=04109", "store_id").await, ["noodles"]);

    // A cursor belongs to its list, and to its location.
    assert_eq!(world.get("eve", &format!("/boxes?cursor={cursor}")).await.1["code"], "invalid-cursor");
    let (_, page) = world.get("eve", "/boxes?limit=1&near=51.35,12.37").await;
    let elsewhere = format!("/boxes?near=51.3,12.37&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.get("eve", &elsewhere).await.1["code"], "invalid-cursor");
}

#[tokio::test]
async fn bad_parameters_are_refused_by_name() {
    let world = World::start().await;
    for (path, name) in [
        ("/boxes?limit=0", "limit"),
        ("/boxes?limit=201", "limit"),
        ("/boxes?limit=x", "limit"),
        ("/boxes?limit=", "limit"),
        ("/boxes?free=maybe", "free"),
        ("/boxes?near=here", "near"),
        ("/boxes?near=91,0", "near"),
        ("/boxes?zip_code=", "zip_code"),
        ("/boxes?zip_code=a%00b", "zip_code"),
        ("/boxes?offset=10", "offset"),
        ("/boxes?limit=1&limit=2", "limit"),
        ("/boxes/north?limit=1", "limit"),
        ("/rooms?status=ajar", "status"),
        ("/rooms?store_id=NOT%20ONE", "store_id"),
        ("/me?x=1", "x"),
        ("/search/messages", "q"),
        ("/search/messages?q=", "q"),
        ("/search/messages?q=a%00", "q"),
    ] {
        let (status, problem) = world.get("eve", path).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-query")), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(name), "{path}: {problem}");
    }
    assert_eq!(world.get("eve", "/boxes?cursor=x").await.1["code"], "invalid-cursor");
}

#[tokio::test]
async fn every_read_requires_a_token() {
    let world = World::start().await;
    for path in [
        "/boxes",
        "/boxes/north",
        "/stores",
        "/stores/noodles",
        "/rooms",
        "/rooms/north.2",
        "/rooms/north.2/members",
        "/rooms/north.2/messages",
        "/rooms/north.2/events",
        "/me",
        "/me/rooms",
        "/me/alarms",
        "/search/messages?q=a",
    ] {
        let expired = format!("Bearer {}", world.expired_token("ana"));
        for (header, code) in
            [(None, "missing-token"), (Some("Bearer x"), "invalid-token"), (Some(&*expired), "expired-token")]
        {
            let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
            let response = world.get_with(path, &headers).await;
            assert_eq!(response.status().as_u16(), 401, "{path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let problem: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(problem["code"], code, "{path}");
        }
    }
}
