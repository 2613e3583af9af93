//! Rooms that are found by words of their titles and of their stores' names, through HTTP and PostgreSQL.

use serde_json::{Value, json};

use super::{found_messages::encoded, world::World};

impl World {
    /// Adds open rooms 3, 4, 5 … of north, each with a title and a store and a minute later than the one before.
    async fn rooms(&self, rooms: &[(&str, &str)]) {
        for (number, (title, store)) in (3..).zip(rooms) {
            self.sql(&format!(
                "insert into rooms
                 select 'north', 'north.{number}', {number}, '{store}', zip_code, '{title}', false, 'open', null, 'eve',
                     1, 5, false, 'gathering', opened_at + {number} * interval '1 minute', closes_at, null, 1, 0,
                     opened_at, ''
                 from rooms where room_id = 'north.2'"
            ))
            .await;
        }
        self.fill_words().await;
    }

    /// Returns the numbers of the rooms that are found.
    async fn found_rooms(&self, q: &str, rest: &str) -> Vec<u32> {
        let found = self.list("eve", &format!("/rooms?q={}{rest}", encoded(q)), "room_id").await;
        found.iter().map(|id| id.as_str().unwrap().rsplit_once('.').unwrap().1.parse().unwrap()).collect()
    }
}

#[tokio::test]
async fn rooms_are_found_by_words_of_title_and_store() {
    let world = World::start().await;
    world
        .rooms(&[
            ("피자 같이", "noodles"),
            ("CAFÉ am Markt", "pizza"),
            ("Donaudampfschiff", "unknown"),
            ("Pizza to go", "noodles"),
        ])
        .await;
    for (q, expected) in [
        ("피자", &[3][..]),
        ("같", &[3]),
        ("cafe", &[4]),
        ("cafe\u{301}", &[4]),
        ("caf", &[4]),
        ("donau", &[5]),
        ("donaudampfsch", &[5]),
        // A store's name.
        ("corner", &[4]),
        ("pizza", &[6, 4]),
        ("noodle", &[6, 3, 2, 1]),
        ("house", &[6, 3, 2, 1]),
        // One word in the title, one in the name.
        ("house pizza", &[6]),
        ("markt corner", &[4]),
        ("pizza markt corner", &[4]),
        ("lunch noodle", &[2]),
        ("lunch corner", &[]),
        ("pizza -corner", &[6]),
        ("noodle -lunch -yesterday", &[6, 3]),
        ("피자 or cafe or nothing", &[4, 3]),
        ("\"noodle house\"", &[6, 3, 2, 1]),
        ("\"pizza to go\"", &[6]),
        // Not across the end of a title.
        ("\"go noodle\"", &[]),
    ] {
        assert_eq!(world.found_rooms(q, "").await, expected, "{q}");
    }
}

#[tokio::test]
async fn other_filters_limit_a_search_for_rooms() {
    let world = World::start().await;
    world.rooms(&[("Pizza", "noodles"), ("Soup", "pizza")]).await;
    world
        .sql(
            "update rooms set zip_code = '04177' where room_id = 'north.4';
             update rooms set status = 'closed', closed_at = now() where room_id = 'north.3'",
        )
        .await;
    assert_eq!(world.found_rooms("pizza", "").await, [4, 3]);
    assert_eq!(world.found_rooms("pizza", "&status=open").await, [4]);
    assert_eq!(world.found_rooms("pizza", "&status=closed").await, [3]);
    assert_eq!(world.found_rooms("noodle", "&status=closed").await, [3, 1]);
    assert_eq!(world.found_rooms("pizza", "&zip_code=04177").await, [4]);
    assert_eq!(world.found_rooms("pizza", "&zip_code=04109&status=closed").await, [3]);
    assert_eq!(world.found_rooms("pizza", "&store_id=noodles").await, [3]);
    assert!(world.found_rooms("soup", "&store_id=noodles").await.is_empty());
}

#[tokio::test]
async fn a_renamed_store_is_found_by_its_new_name_and_an_erased_title_is_not_found() {
    let world = World::start().await;
    world.sql("update stores set name = 'Ramen Bar' where store_id = 'noodles'").await;
    world.sql("update rooms set title = '[erased]', title_erased = true where room_id = 'north.2'").await;
    world.fill_words().await;
    assert_eq!(world.found_rooms("ramen", "").await, [2, 1]);
    for q in ["noodle", "lunch", "erased", "lunch ramen"] {
        assert!(world.found_rooms(q, "").await.is_empty(), "{q}");
    }
}

#[tokio::test]
async fn open_rooms_around_a_location_are_found_by_words() {
    let world = World::start().await;
    world
        .sql(
            "update boxes set room_id = 'south.1' where box_id = 'south';
             insert into rooms select 'south', 'south.1', 1, 'pizza', zip_code, 'Lunch', false, 'open', null, 'eve', 1,
                 5, false, 'gathering', '2026-01-03T12:30:00Z', '2026-01-03T15:00:00Z', null, 1, 0, opened_at, ''
             from rooms where room_id = 'north.2'",
        )
        .await;
    world.fill_words().await;
    // South is 0.05 degrees of latitude away.
    let near = "near=51.35,12.37&radius=6000";
    assert_eq!(world.list("eve", &format!("/rooms?q=lunch&{near}"), "room_id").await, ["north.2", "south.1"]);
    assert_eq!(world.list("eve", &format!("/rooms?q=corner+lunch&{near}"), "room_id").await, ["south.1"]);
    assert_eq!(world.list("eve", "/rooms?q=lunch&near=51.35,12.37", "room_id").await, ["north.2"]);
    let (_, page) = world.get("eve", &format!("/rooms?q=lunch&{near}&limit=1")).await;
    let next = format!("/rooms?q=lunch&{near}&limit=1&cursor={}", page["next"].as_str().unwrap());
    let (_, page) = world.get("eve", &next).await;
    assert_eq!((&page["items"][0]["room_id"], &page["next"]), (&json!("south.1"), &Value::Null));
}

#[tokio::test]
async fn pages_of_found_rooms_follow_each_other() {
    let world = World::start().await;
    world.rooms(&[("Soup", "noodles"), ("Tea", "pizza"), ("Hot soup", "pizza"), ("Soup", "pizza")]).await;
    for limit in 1..=4 {
        let (mut found, mut next) = (Vec::new(), String::new());
        loop {
            let (_, page) = world.get("eve", &format!("/rooms?q=soup&limit={limit}{next}")).await;
            found.extend(super::world::fields(&page, "room_id"));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(found, ["north.6", "north.5", "north.3"], "{limit}");
    }
}

#[tokio::test]
async fn rare_words_are_found_beyond_the_first_rooms_of_a_list() {
    let world = World::with(&["--search-budget", "10000"]).await;
    // More rooms than are compared one by one, and more stores with a word than are looked up.
    world
        .sql(
            "insert into stores
             select 's' || n, 'Bar ' || n, '04109', null, true, false, '2026-01-01T09:00:00Z',
                 array_to_tsvector(array['bar', n::text])
             from generate_series(1, 600) as n;
             insert into boxes
             select 'many', kind, zip_code, address, detailed_address, latitude, longitude, service,
                 out_of_service_reason, null, installed_at
             from boxes where box_id = 'south';
             insert into rooms
             select 'many', 'many.' || n, n, 's' || n % 600 + 1, '04109', 'Supper', false,
                 case when n % 2 = 0 then 'open' else 'closed' end, null, 'eve', 1, 5, false, 'gathering',
                 '2026-01-04T12:00:00Z'::timestamptz + n * interval '1 second', '2026-01-05T12:00:00Z', null, 1, 0,
                 '2026-01-04T12:00:00Z',
                 array_to_tsvector(
                     array['s:s' || n % 600 + 1, 'supper'] || case when n = 100 then '{night}' else '{}'::text[] end
                 )
             from generate_series(1, 25000) as n",
        )
        .await;
    for (q, rest, expected) in [
        ("lunch", "", &[2][..]),
        ("lunch or yesterday", "", &[2, 1]),
        ("lunch or yesterday", "&status=closed", &[1]),
        ("noodle", "", &[2, 1]),
        ("noodle lunch -pizza", "&zip_code=04109", &[2]),
        ("bar lunch", "", &[]),
        ("night", "", &[100]),
        ("night bar", "&store_id=s101", &[100]),
        ("night bar", "&store_id=s102", &[]),
        // A word of all stores, and one of a single store.
        ("bar", "&limit=2", &[25_000, 24_999]),
        ("bar 7", "&limit=2", &[24_606, 24_006]),
        ("supper 7", "&limit=1&status=open", &[24_606]),
        // All rooms are compared.
        ("bar -supper", "", &[]),
    ] {
        assert_eq!(world.found_rooms(q, rest).await, expected, "{q} {rest}");
    }
    // 42 in all.
    let (_, page) = world.get("eve", "/rooms?q=7+bar&limit=36").await;
    let next = format!("&limit=36&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.found_rooms("7 bar", &next).await, [3_006, 2_406, 1_806, 1_206, 606, 6]);
}

#[tokio::test]
async fn a_search_for_rooms_is_checked_and_limited() {
    let world = World::with(&["--search-budget", "100"]).await;
    for bad in ["", "-pizza", "!", "a+or+-b", &"a".repeat(201), &"a+".repeat(21)] {
        let (status, problem) = world.get("eve", &format!("/rooms?q={bad}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-query")), "{bad}");
    }
    let lock = world.lock("rooms").await;
    let (status, problem) = world.get("eve", "/rooms?q=lunch").await;
    assert_eq!((status, &problem["code"]), (503, &json!("busy")));
    lock.rollback().await.unwrap();
    assert_eq!(world.found_rooms("lunch", "").await, [2]);
}
