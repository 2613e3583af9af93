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
            "notification_preferences": { "reply": false }, "share_read_markers": true,
            "quiet_hours": { "time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00" },
            "devices": [{
                "device_id": "phone", "provider": "apns", "locale": "ko-KR", "registered_at": "2026-01-02T08:00:00Z",
            }],
        })
    );
    assert_eq!(world.get("ben", "/me").await.1["quiet_hours"], Value::Null);
    assert_eq!(world.get("nobody", "/me").await.1["code"], "user-not-found");
    assert_eq!(world.get("gone", "/me").await.1["code"], "user-not-found");
}

fn message(id: &str, author: &str, preview: &Value, posted_at: &str) -> Value {
    json!({ "message_id": id, "author": author, "preview": preview, "erased": false, "posted_at": posted_at })
}

#[tokio::test]
async fn my_rooms_show_unread_counts() {
    let world = World::start().await;
    let (_, page) = world.get("ana", "/me/rooms").await;
    assert_eq!(fields(&page, "room_id"), ["north.2", "north.1"]);
    // Marked as read up to the second of four, of which the third is deleted; nothing of yesterday.
    assert_eq!(fields(&page, "unread"), [1, 1]);
    assert_eq!(fields(&page, "read_up_to"), [json!("22"), Value::Null]);
    let soon = message("24", "ben", &json!("soon?"), "2026-01-03T12:09:00Z");
    let rolls = message("5", "eve", &json!("spring rolls for me"), "2026-01-02T12:05:00Z");
    assert_eq!(fields(&page, "last_message"), [soon, rolls.clone()]);
    // ben has no marker and wrote all but one himself.
    assert_eq!(world.list("ben", "/me/rooms", "unread").await, [1]);
    let long = "a".repeat(99) + "\u{1F35C}\u{1F35C}";
    world.sql(&format!("update messages set body = '{long}' where message_id = 24")).await;
    let preview = |found: &[Value]| found[0]["preview"].as_str().map(|preview| preview.chars().count());
    assert_eq!(preview(&world.list("ben", "/me/rooms", "last_message").await), Some(100));
    world.sql("update messages set body = null where message_id = 24").await;
    let deleted = message("24", "ben", &Value::Null, "2026-01-03T12:09:00Z");
    assert_eq!(world.list("ana", "/me/rooms", "last_message").await, [deleted, rolls]);
    assert_eq!(world.list("ana", "/me/rooms", "unread").await, [0, 1]);
    assert_eq!(world.list("ana", "/me/rooms", "muted").await, [false, false]);
    world.sql("insert into muted_rooms values ('ana', 'north.1')").await;
    assert_eq!(world.list("ana", "/me/rooms", "muted").await, [false, true]);
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
async fn my_rooms_are_listed_by_their_last_activity() {
    let world = World::start().await;
    // Room 100 + n is closed in minute n, room 200 + n is open and was last active in minute n.
    world
        .sql(
            "insert into rooms
             select 'north', 'north.' || kind * 100 + n, kind * 100 + n, 'noodles', '04109', 'x', false,
                    case kind when 1 then 'closed' else 'open' end, case kind when 1 then 'host' end, 'ben', 1, 5,
                    false, 'gathering', '2026-01-04T10:00:00Z', '2026-01-04T13:00:00Z',
                    case kind when 1 then minute end, 1, 0, minute, ''
             from generate_series(1, 2) as kind, generate_series(1, 20) as n,
                  lateral (select timestamptz '2026-01-04T11:00:00Z' + n * interval '1 minute' as minute) as m;
             insert into members
             select box_id, room_id, 'ben', case when number % 10 = 3 then 'left' else 'inside' end, opened_at, 1, 0
             from rooms where number > 100;
             insert into user_rooms
             select m.user_id, r.opened_at, r.room_id, r.box_id, m.standing = 'inside', r.closed_at
             from rooms r join members m on m.room_id = r.room_id
             where r.number > 100",
        )
        .await;
    let numbers = (1..=20).rev().filter(|n| n % 10 != 3).flat_map(|n| [100 + n, 200 + n]);
    let expected: Vec<String> = numbers.chain([2]).map(|number| format!("north.{number}")).collect();
    for limit in [1, 2, 7, 50] {
        let (mut seen, mut next) = (Vec::new(), format!("/me/rooms?limit={limit}"));
        loop {
            let (_, page) = world.get("ben", &next).await;
            seen.extend(fields(&page, "room_id"));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("/me/rooms?limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, expected, "{limit}");
    }
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
