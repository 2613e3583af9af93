//! Messages that searches find, through HTTP and PostgreSQL.

use serde_json::{Value, json};

use super::world::World;

/// Texts, one message each, and searches that find them.
const FOUND: &[(&str, &str)] = &[
    ("피자를 시켰어요", "피자"),
    ("피자를 시켰어요", "시켰"),
    ("피자를 시켰어요", "를"),
    ("치즈피자 콜라2개", "피자"),
    ("치즈피자 콜라2개", "콜라2개"),
    ("これはテストです", "テスト"),
    ("我在上海吃饭", "上海"),
    ("我在上海吃饭", "海"),
    ("now 🍕🍕🍕!", "🍕"),
    ("now 🍕🍕🍕!", "🍕🍕"),
    ("👍🏽 done", "👍"),
    ("👩🏽\u{200d}💻 works", "👩\u{200d}💻"),
    ("im CAFÉ", "cafe"),
    ("im CAFÉ", "cafe\u{301}"),
    ("Hauptstraße", "hauptstrasse"),
    ("Donaudampfschiff", "donau"),
    ("Donaudampfschiff", "donaudampfsch"),
    ("C++ or C#", "c++"),
    ("node.js 1.2.3", "node"),
    ("node.js 1.2.3", "node.js"),
    ("node.js 1.2.3", "1.2.3"),
    ("see https://example.org/menu/spicy-soup?x=1", "https://example.org/menu/spicy-soup?x=1"),
    ("see https://example.org/menu/spicy-soup?x=1", "spicy"),
    ("ann@mail.example.org", "ann@mail.example.org"),
    ("ann@mail.example.org", "mail.exam"),
    ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}", "한국"),
    ("ขอส้มตำหนึ่งจาน", "ส้มตำ"),
    ("مَرْحَبًا بكم", "مرحبا"),
    ("שָׁלוֹם", "שלום"),
    ("ＦＵＬＬ width", "full"),
    ("İSTANBUL", "istanbul"),
    ("it's 'quoted' \\ text", "it's"),
];

/// Texts and searches that do not find them.
const NOT_FOUND: &[(&str, &str)] = &[
    ("anadonau", "donau"),
    ("上 海", "上海"),
    ("海上", "上海"),
    ("吃上吃海", "上海"),
    ("a + c", "c++"),
    ("3.2.1", "1.2.3"),
    ("\u{1f355} \u{1f354}", "🍔🍕"),
    ("rolls with spring onions", "\"spring rolls\""),
    ("springs rolls", "\"spring rolls\""),
    ("かき", "がき"),
];

pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02x}"))
}

impl World {
    /// Adds a message of ben in north.2.
    async fn message(&self, id: i64, body: &str, posted_at: &str) {
        let body = body.replace('\'', "''");
        self.sql(&format!(
            "insert into messages
             values ('north', 'north.2', {id}, {id}, 'ben', {id}, '{body}', false, null, '{posted_at}', null,
                     '{{}}', '[]', false, null, '');
             -- the room exists as long as its messages
             update rooms
             set opened_at = least(opened_at, '{posted_at}'),
                 last_activity_at = greatest(last_activity_at, '{posted_at}')
             where room_id = 'north.2';
             update user_rooms set opened_at = least(opened_at, '{posted_at}') where room_id = 'north.2'"
        ))
        .await;
    }

    async fn found(&self, user: &str, q: &str, rest: &str) -> Vec<Value> {
        self.list(user, &format!("/search/messages?q={}{rest}", encoded(q)), "message_id").await
    }
}

#[tokio::test]
async fn values_of_many_languages_are_found() {
    let world = World::start().await;
    let texts = FOUND.iter().map(|(text, _)| text).chain(NOT_FOUND.iter().map(|(text, _)| text));
    for (id, text) in (100..).zip(texts) {
        world.message(id, text, "2026-01-03T12:10:00Z").await;
    }
    world.fill_words().await;
    for (id, (text, q)) in (100..).zip(FOUND) {
        assert!(world.found("ana", q, "").await.contains(&id.to_string().into()), "{q} in {text}");
    }
    for (id, (text, q)) in (100 + FOUND.len()..).zip(NOT_FOUND) {
        assert!(!world.found("ana", q, "").await.contains(&id.to_string().into()), "{q} in {text}");
    }
}

#[tokio::test]
async fn a_search_is_limited_by_room_author_and_time() {
    let world = World::start().await;
    world.message(30, "spring soup", "2026-01-03T12:30:00Z").await;
    world.message(31, "spring soup", "2025-01-03T12:30:00Z").await;
    world.fill_words().await;
    assert_eq!(world.found("ana", "spring", "").await, ["30", "22", "5", "31"]);
    assert_eq!(world.found("ana", "spring", "&room=north.1").await, ["5"]);
    assert_eq!(world.found("ben", "spring", "&room=north.1").await, Vec::<Value>::new());
    assert_eq!(world.found("dan", "spring", "&room=north.2").await, Vec::<Value>::new(), "dan was kicked");
    assert_eq!(world.found("ana", "spring", "&author=eve").await, ["5"]);
    assert_eq!(world.found("ana", "spring", "&after=2026-01-03T12:06:00Z").await, ["30", "22"]);
    assert_eq!(world.found("ana", "spring", "&before=2026-01-03T12:06:00Z").await, ["5", "31"]);
    assert_eq!(
        world.found("ana", "spring", "&after=2025-01-01T00:00:00Z&before=2025-02-01T01:00:00%2B01:00").await,
        ["31"]
    );
    assert_eq!(world.found("ana", "soup or noodles", "&author=ana").await, ["21"]);
    for bad in
        ["room=x", "author=-", "after=yesterday", "before=1969-01-01T00:00:00Z", "after=%2B20000-01-01T00:00:00Z"]
    {
        let (status, problem) = world.get("ana", &format!("/search/messages?q=a&{bad}")).await;
        assert_eq!((status, &problem["code"]), (400, &"invalid-query".into()), "{bad}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_over_all_times() {
    let world = World::start().await;
    let times = ["2026-01-03", "2026-01-02", "2025-12-20", "2025-12-20", "2025-06-01", "2020-01-01", "2020-01-01"];
    for (id, time) in (50..).zip(times) {
        world.message(id, "dumplings", &format!("{time}T12:00:00Z")).await;
    }
    world.fill_words().await;
    let all = ["50", "51", "52", "53", "54", "55", "56"];
    assert_eq!(world.found("ana", "dumplings", "").await, all);
    for limit in 1..=3 {
        let (mut found, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("/search/messages?q=dumpl&limit={limit}{next}");
            let (_, page) = world.get("ana", &path).await;
            found.extend(super::world::fields(&page, "message_id"));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(found, all, "{limit}");
    }
}

#[tokio::test]
async fn places_are_highlighted_in_utf_16() {
    let world = World::start().await;
    world.message(40, "🍕 für das Café", "2026-01-03T12:10:00Z").await;
    world.fill_words().await;
    let (_, page) = world.get("ana", &format!("/search/messages?q={}", encoded("cafe 🍕 -soup"))).await;
    assert_eq!(
        page["items"],
        json!([{
            "message_id": "40", "room_id": "north.2", "author": "ben", "body": "🍕 für das Café",
            "erased": false, "reply_to": null, "mentions": [], "mentions_all": false,
            "posted_at": "2026-01-03T12:10:00Z", "deleted": false, "reactions": {},
            "highlights": [[0, 2], [11, 15]],
        }])
    );
}

#[tokio::test]
async fn members_of_few_and_of_many_rooms_find_the_same() {
    let world = World::start().await;
    world
        .sql(
            "insert into rooms
             select 'many', 'many.' || n, n, 'noodles', '04109', 'Lunch', false, 'open', null, 'ben', 1, 5, false,
                 'gathering', at, at, null, 1, 1, at, ''
             from generate_series(1, 5100) as n
             cross join lateral (select '2026-01-01T00:00:00Z'::timestamptz - n * interval '1 hour' as at) as time;
             insert into members select 'many', 'many.' || n, u, 'inside', now(), 1, 0
             from generate_series(1, 5100) as n
             join (
                 values ('u1', 1), ('u20', 20), ('u21', 21), ('u200', 200), ('u201', 201), ('u5100', 5100)
             ) as users (u, rooms) on n <= rooms;
             update members set standing = 'left' where room_id = 'many.5' and user_id = 'u5100';
             insert into user_rooms
             select m.user_id, r.opened_at, r.room_id, r.box_id, true, null
             from members m join rooms r using (box_id, room_id) where box_id = 'many';
             insert into messages select 'many', 'many.' || n, 10000 + n, 1, 'ben', 1, 'dumplings', false, null,
                 '2026-01-01T00:00:00Z'::timestamptz - n * interval '1 hour', null, '{}', '[]', false, null, ''
             from generate_series(1, 5100) as n",
        )
        .await;
    world.fill_words().await;
    for rooms in [1, 20, 21, 200, 201, 5100] {
        let expected: Vec<i64> =
            (1..=rooms.min(200)).filter(|n| (rooms, *n) != (5100, 5)).map(|n| 10_000 + n).collect();
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        let mut found = world.found(&format!("u{rooms}"), "dumplings", "&limit=200").await;
        found.truncate(expected.len());
        assert_eq!(found, expected, "{rooms} rooms");
    }
}
