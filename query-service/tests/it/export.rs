//! The export of all data of a user.

use serde_json::{Value, json};

use super::world::World;

/// Sends the request of an export.
async fn request(world: &World, user: &str, cursor: Option<&str>) -> reqwest::Response {
    let path = cursor.map_or_else(|| "/me/export".to_owned(), |cursor| format!("/me/export?cursor={cursor}"));
    world.get_with(&path, &[("authorization", &format!("Bearer {}", world.token(user)))]).await
}

/// Returns all lines of an export.
async fn lines(world: &World, user: &str, cursor: Option<&str>) -> Vec<Value> {
    let response = request(world, user, cursor).await;
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert_eq!((response.status().as_u16(), content_type), (200, "application/x-ndjson"));
    let text = response.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn refused(world: &World, user: &str, cursor: Option<&str>) -> (u16, String) {
    let response = request(world, user, cursor).await;
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    (status, problem["code"].as_str().unwrap().to_owned())
}

fn reaction(room: &str, message: &str, emoji: &str) -> Value {
    json!({ "type": "reaction", "room_id": room, "message_id": message, "emoji": emoji })
}

fn without_cursors(lines: &[Value]) -> Vec<Value> {
    lines.iter().filter(|line| line["type"] != "cursor").cloned().collect()
}

#[tokio::test]
async fn an_export_has_all_that_is_stored_of_a_user_and_nothing_of_others() {
    let world = World::start().await;
    world
        .sql(
            "insert into muted_rooms values ('ana', 'north.1'), ('ben', 'north.2');
             insert into blocks values
                 ('ana', 'eve', '2026-01-03T09:00:00Z'), ('ben', 'ana', '2026-01-03T09:00:00Z');
             insert into alarms_read values ('ana', 'box-1', 9), ('ben', 'box-1', 7);
             update messages set reactions = '{\"🍜\": [\"ana\"], \"👍\": [\"eve\", \"ana\"], \"🎉\": [\"eve\"]}'
             where message_id = 5;
             update rooms set title_by = 'ana' where room_id = 'north.2';
             update messages set edited_at = '2026-01-03T12:05:30Z' where message_id = 21;
             update alarms set withdrawn = 'message_deleted' where kind = 'mention'",
        )
        .await;
    let room = |id: &str, day: &str, joined: &str, more: Value| {
        let mut room = json!({
            "type": "room", "room_id": id, "store_id": "noodles", "is_host": true, "is_co_host": false,
            "muted_until": null, "standing": "inside",
            "opened_at": format!("2026-01-{day}T12:00:00Z"), "joined_at": joined,
        });
        room.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        room
    };
    let alarm = |kind: &str, at: &str, room: &str, position: u64, more: Value| {
        let mut alarm = json!({
            "type": "alarm", "id": format!("box-1-{position}-{kind}"), "kind": kind, "at": at, "room_id": room,
            "count": 1, "message_id": null, "by": null, "withdrawn": null,
        });
        alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        alarm
    };
    let by_ben = json!({ "message_id": "22", "by": "ben" });
    let mentioned = json!({ "message_id": "22", "by": "ben", "withdrawn": "message_deleted" });
    let expected = [
        json!({ "type": "export", "format": 1, "user_id": "ana" }),
        json!({
            "type": "account", "user_id": "ana", "nickname": "Ana", "registered_at": "2026-01-01T08:00:00Z",
            "notification_preferences": { "reply": false }, "share_read_markers": true,
            "quiet_hours": { "time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00" },
        }),
        json!({
            "type": "device", "device_id": "phone", "provider": "apns", "locale": "ko-KR",
            "registered_at": "2026-01-02T08:00:00Z",
        }),
        json!({ "type": "muted_room", "room_id": "north.1" }),
        json!({ "type": "blocked_user", "user_id": "eve", "blocked_at": "2026-01-03T09:00:00Z" }),
        json!({ "type": "private_box", "box_id": "west" }),
        json!({ "type": "alarms_read", "stream": "box-1", "up_to": 9 }),
        room(
            "north.1",
            "02",
            "2026-01-02T12:00:00Z",
            json!({
                "title": null, "status": "closed", "step": "collected", "closed_at": "2026-01-02T15:00:00Z",
                "read_up_to": null,
            }),
        ),
        reaction("north.1", "5", "🍜"),
        reaction("north.1", "5", "👍"),
        room(
            "north.2",
            "03",
            "2026-01-03T12:00:00Z",
            json!({ "title": "Lunch", "status": "open", "step": "gathering", "closed_at": null, "read_up_to": "22" }),
        ),
        json!({
            "type": "message", "room_id": "north.2", "message_id": "21", "body": "who wants noodles?",
            "reply_to": null, "posted_at": "2026-01-03T12:05:00Z", "edited_at": "2026-01-03T12:05:30Z",
            "mentions": ["ben"], "mentions_all": true,
        }),
        reaction("north.2", "21", "👍"),
        alarm("room_closed", "2026-01-02T15:00:00Z", "north.1", 9, json!({})),
        alarm("mention", "2026-01-03T12:06:00Z", "north.2", 22, mentioned),
        alarm("reply", "2026-01-03T12:06:00Z", "north.2", 22, by_ben),
        json!({ "type": "end" }),
    ];
    assert_eq!(lines(&world, "ana", None).await, expected);

    // ben's deleted message, and the rooms that cem left and dan was kicked from.
    let of_ben = lines(&world, "ben", None).await;
    let bodies: Vec<_> = of_ben.iter().filter(|line| line["type"] == "message").map(|line| &line["body"]).collect();
    assert_eq!(bodies, [&json!("me, with spring rolls"), &Value::Null, &json!("soon?")]);
    for (user, standing) in [("cem", "left"), ("dan", "kicked")] {
        let of_user = lines(&world, user, None).await;
        let room = of_user.iter().find(|line| line["type"] == "room").unwrap();
        assert_eq!(room["standing"], standing, "{user}");
    }
    // A former guest of a box that has become private does not see what happens there.
    world.sql("update boxes set kind = 'private' where box_id = 'north'").await;
    let room = |lines: Vec<Value>| lines.into_iter().find(|line| line["type"] == "room").unwrap();
    let hidden = room(lines(&world, "cem", None).await);
    for field in ["title", "store_id", "status", "step"] {
        assert_eq!(hidden[field], Value::Null, "{field}");
    }
    assert_eq!(room(lines(&world, "ben", None).await)["status"], "open");

    // A user of an external issuer who never registered, and one who is erased.
    for user in ["nobody", "gone"] {
        let of_user = lines(&world, user, None).await;
        let types: Vec<_> = of_user.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["export", "end"], "{user}");
    }
}

/// Adds many messages, reactions and alarms of ana, with texts of this many words.
async fn add_many(world: &World, words: usize) {
    world
        .sql(&format!(
            "insert into messages
             select 'north', 'north.2', 1000 + n, 4 + n, case when n % 3 = 0 then 'ana' else 'ben' end, n,
                    'message ' || n || repeat(' and more', {words}), false, null, '2026-01-03T13:00:00Z', null,
                    case when n % 5 = 0 then '{{\"👍\": [\"ben\", \"ana\"]}}'::jsonb else '{{}}' end,
                    '[]', false, null, ''
             from generate_series(1, 3000) as n;
             insert into alarms
             select 'ana', '2026-01-03T13:00:00Z', 'north', 5000 + n, 'reply', 'north.2', 22, 'ben', 'box-1', 1,
                    5000 + n, 5000 + n, null
             from generate_series(1, 900) as n"
        ))
        .await;
}

#[tokio::test]
async fn an_export_continues_at_every_cursor_and_is_the_same_as_the_tables() {
    let world = World::with(&["--exports-per-hour", "0"]).await;
    add_many(&world, 100).await;
    let all = lines(&world, "ana", None).await;
    assert_eq!(all.last().unwrap()["type"], "end");
    let texts = |kind: &str, field: &str| -> Vec<String> {
        let of_kind = all.iter().filter(|line| line["type"] == kind);
        of_kind.map(|line| line[field].as_str().unwrap().to_owned()).collect()
    };
    let messages = "select body from messages where author = 'ana' order by room_id, message_id";
    assert_eq!(texts("message", "body"), world.texts(messages).await);
    let reactions = "select message_id::text
                     from messages cross join jsonb_each(reactions) as reaction
                     where reaction.value ? 'ana'
                     order by room_id, messages.message_id, reaction.key";
    assert_eq!(texts("reaction", "message_id"), world.texts(reactions).await);
    let alarms = "select stream || '-' || position || '-' || kind from alarms where user_id = 'ana'
                  order by stream, position, kind";
    assert_eq!(texts("alarm", "id"), world.texts(alarms).await);

    let cursors: Vec<usize> = (0..all.len()).filter(|at| all[*at]["type"] == "cursor").collect();
    assert!(cursors.len() > 5, "{}", cursors.len());
    for at in &cursors {
        let rest = lines(&world, "ana", all[*at]["cursor"].as_str()).await;
        assert_eq!(without_cursors(&rest), without_cursors(&all[at + 1..]), "after line {at}");
    }
    // The other generation has the sample only: there is no alarm after the last cursor.
    world.switch_generation(2).await;
    let last = all[*cursors.last().unwrap()]["cursor"].as_str();
    world
        .until("the export continues in the other generation", async || {
            lines(&world, "ana", last).await == [json!({ "type": "end" })]
        })
        .await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_holds_no_transaction_and_no_connection() {
    let world = World::start().await;
    // More than the sockets hold.
    add_many(&world, 1700).await;
    let mut response = request(&world, "ana", None).await;
    assert_eq!(response.status(), 200);
    assert!(response.chunk().await.unwrap().is_some());
    let open = "select count(*)::text from pg_stat_activity where usename = 'query' and xact_start is not null";
    world.until("no transaction is open", async || world.texts(open).await == ["0"]).await;
    assert_eq!(refused(&world, "ana", None).await, (429, "too-many-exports".to_owned()));
    // Other users, and other reads, go on.
    lines(&world, "ben", None).await;
    assert_eq!(world.get("ana", "/me").await.0, 200);
    drop(response);
    world.until("the slot is free", async || request(&world, "ana", None).await.status() == 200).await;
}

#[tokio::test]
async fn exports_of_an_hour_are_limited_and_foreign_cursors_are_refused() {
    let world = World::with(&["--exports-per-hour", "2"]).await;
    add_many(&world, 100).await;
    let all = lines(&world, "ana", None).await;
    let cursor = all.iter().find_map(|line| line["cursor"].as_str()).unwrap();
    lines(&world, "ana", Some(cursor)).await;
    assert_eq!(refused(&world, "ana", Some(cursor)).await, (429, "too-many-exports".to_owned()));
    let response = request(&world, "ana", None).await;
    let wait: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");
    // A cursor holds a place and no user: it continues with one's own lines.
    let of_ben = lines(&world, "ben", Some(cursor)).await;
    assert!(of_ben.iter().all(|line| line["type"] != "alarm"), "{of_ben:?}");
    for bad in ["", "x", "WyJleHBvcnQiLFsiYW5vdGhlciIsIkFjY291bnQiXV0"] {
        assert_eq!(refused(&world, "eve", Some(bad)).await, (400, "invalid-cursor".to_owned()), "{bad}");
    }
}

/// The tables of the read model with a column that names users, and the reason for which they are exported or not. A
/// new table must be added here, and to the export unless it holds nothing of a user.
#[tokio::test]
async fn every_table_about_users_is_exported() {
    let world = World::start().await;
    let about_users = "select distinct table_name::text from information_schema.columns
         where table_schema = 'read_g1' and (
             column_name in ('user_id', 'author', 'by', 'host', 'reactions', 'reporter', 'users')
             or column_name like '%\\_by')
         order by 1";
    let exported = [
        "alarms",
        "alarms_read",
        "blocks",
        "boxes",
        "devices",
        "members",
        "messages",
        "muted_rooms",
        "read_markers",
        "reports",
        "user_rooms",
    ];
    let exported = exported.into_iter().chain(["rooms", "users"]);
    // The feed and the views repeat what the other tables have. An erased author has no export.
    let other = ["author_erasures", "room_events", "shown_alarms", "unread_counts"];
    let mut expected: Vec<&str> = exported.chain(other).collect();
    expected.sort_unstable();
    assert_eq!(world.texts(about_users).await, expected);
}
