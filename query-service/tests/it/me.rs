//! The caller's own data.

use serde_json::{Value, json};

use super::world::{World, fields};

#[tokio::test]
async fn an_account_contains_no_secrets() {
    let world = World::start().await;
    let (status, me) = world.get("ana", "/me").await;
    assert_eq!(status, 200);
    assert_eq!(
        me,
        json!({
            "user_id": "ana", "nickname": "Ana", "registered_at": "2026-01-01T08:00:00Z",
            "notification_preferences": { "reply": false },
            "devices": [{ "device_id": "phone", "registered_at": "2026-01-02T08:00:00Z" }],
        })
    );
    assert_eq!(world.get("nobody", "/me").await.1["code"], "user-not-found");
    assert_eq!(world.get("gone", "/me").await.1["code"], "user-not-found");
}

#[tokio::test]
async fn my_rooms_show_unread_counts() {
    let world = World::start().await;
    let (_, page) = world.get("ana", "/me/rooms").await;
    assert_eq!(fields(&page, "room_id"), ["north.2", "north.1"]);
    // Marked as read up to the second of four; nothing of yesterday.
    assert_eq!(fields(&page, "unread"), [2, 1]);
    // ben has no marker but wrote the last one himself.
    world.sql("update members set last_post_ordinal = 4 where room_id = 'north.2' and user_id = 'ben'").await;
    assert_eq!(world.list("ben", "/me/rooms", "unread").await, [0]);
    // A marker between two messages covers the earlier ones.
    world.sql("update read_markers set message_id = 9000").await;
    assert_eq!(world.list("ana", "/me/rooms?limit=1", "unread").await, [0]);
    let (_, page) = world.get("ana", "/me/rooms?limit=1").await;
    let next = format!("/me/rooms?cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.list("ana", &next, "room_id").await, ["north.1"]);
    // Users who have left or were kicked do not have the room any more.
    assert!(world.list("cem", "/me/rooms", "room_id").await.is_empty());
    assert!(world.list("dan", "/me/rooms", "room_id").await.is_empty());
}

#[tokio::test]
async fn my_alarms_are_listed_newest_first() {
    let world = World::start().await;
    let mut seen = Vec::new();
    let mut next = "/me/alarms?limit=1".to_owned();
    loop {
        let (_, page) = world.get("ana", &next).await;
        seen.extend(fields(&page, "kind"));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("/me/alarms?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, ["mention", "reply", "room_closed"]);
    let (_, page) = world.get("ana", "/me/alarms").await;
    assert_eq!(
        page["items"][1],
        json!({
            "id": "box-1-22-reply", "kind": "reply", "at": "2026-01-03T12:06:00Z", "room_id": "north.2",
            "message_id": "22", "by": "ben", "count": 1, "read": false,
        })
    );
    assert_eq!(page["unread"], 3);
    assert!(world.list("ben", "/me/alarms", "kind").await.is_empty());
}

#[tokio::test]
async fn read_and_unread_alarms_are_told_apart() {
    let world = World::start().await;
    world.sql("insert into alarms_read values ('ana', 'box-1', 9)").await;
    let lists = ["/me/alarms", "/me/alarms?unread=true", "/me/alarms?unread=false"];
    let expected: [&[&str]; 3] = [&["mention", "reply", "room_closed"], &["mention", "reply"], &["room_closed"]];
    for (list, kinds) in lists.iter().zip(expected) {
        let (_, page) = world.get("ana", list).await;
        assert_eq!(fields(&page, "kind"), kinds, "{list}");
        assert_eq!(page["unread"], 2);
        for alarm in page["items"].as_array().unwrap() {
            assert_eq!(alarm["read"], alarm["kind"] == "room_closed");
        }
    }
    let (_, first) = world.get("ana", "/me/alarms?unread=true&limit=1").await;
    let cursor = first["next"].as_str().unwrap();
    let (_, second) = world.get("ana", &format!("/me/alarms?unread=true&limit=1&cursor={cursor}")).await;
    assert_eq!((fields(&second, "kind"), &second["up_to"]), (vec![json!("reply")], &Value::Null));
    assert!(first["up_to"].is_string());
    let (status, _) = world.get("ana", &format!("/me/alarms?cursor={cursor}")).await;
    assert_eq!(status, 400, "a cursor of another list");

    world.sql("update alarms set withdrawn = 'message_deleted' where kind = 'reply'").await;
    let (_, page) = world.get("ana", "/me/alarms").await;
    assert_eq!(fields(&page, "kind"), ["mention", "room_closed"]);
    assert_eq!(page["unread"], 1);
}
