//! Searches of one user do not slow others down: they have a separate pool, turns and a time limit.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::interval;

use super::world::World;

/// A search that finds nearly every message.
const HEAVY: &str = "/search/messages?q=dumplings%20-zzz&limit=200";

/// The number of reads of the account, without other load and beside searches.
const READS: usize = 40;

/// The factor by which a read may take longer beside searches; it is hundreds when they take the connections of others.
const RATIO: u32 = 30;

/// The typical time in which ana reads her account.
async fn read_time(world: &World) -> Duration {
    let mut times = Vec::new();
    for _ in 0..READS {
        let started = Instant::now();
        assert_eq!(world.get("ana", "/me").await.0, 200);
        times.push(started.elapsed());
    }
    times.sort();
    times[READS / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn many_searches_of_one_user_do_not_slow_down_reads_of_others() {
    let world = World::with(&["--rate-per-user", "1000000:1000000", "--search-budget", "10000"]).await;
    world
        .sql(
            "insert into messages
             select 'north', 'north.2', 1000 + n, 1000 + n, 'ben', 1000 + n,
                 'dumplings number ' || n || ' with soy sauce',
                 false, null, now(), null, '{}', '[]', false, null, ''
             from generate_series(1, 40000) as n",
        )
        .await;
    world.fill_words().await;
    let alone = read_time(&world).await;
    // About 50 searches a second.
    let searches = join_all((0..24).map(async |_| {
        let mut pace = interval(Duration::from_millis(500));
        loop {
            pace.tick().await;
            let (status, answer) = world.get("ben", HEAVY).await;
            assert!(status == 200 || answer["code"] == "busy", "{status} {answer}");
        }
    }));
    let beside = async {
        world.until("a search is carried out", async || world.get("ben", HEAVY).await.0 == 200).await;
        read_time(&world).await
    };
    tokio::select! {
        _ = searches => unreachable!("they go on"),
        beside = beside => {
            assert!(beside < alone * RATIO, "{alone:?} alone, {beside:?} beside searches");
        }
    }
}

#[tokio::test]
async fn a_search_over_its_budget_is_cancelled_with_a_retry_hint() {
    let world = World::with(&["--search-budget", "100"]).await;
    let lock = world.lock("messages").await;
    let token = format!("Bearer {}", world.token("ben"));
    let response = world.get_with("/search/messages?q=rolls", &[("authorization", &token)]).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "busy", "{problem}");
    lock.rollback().await.unwrap();
    assert_eq!(world.get("ben", "/search/messages?q=rolls").await.0, 200);
}

#[tokio::test]
async fn one_search_of_a_user_runs_at_a_time_and_others_take_turns() {
    let world = World::with(&["--search-budget", "10000"]).await;
    let lock = world.lock("messages").await;
    let search = |user| world.get(user, "/search/messages?q=rolls");
    let refused = async {
        world.until("a search waits for the lock", async || world.blocked().await == 1).await;
        // One search of the same user waits in vain for its turn, and the others are rejected at once.
        for (status, problem) in join_all((0..5).map(|_| search("ben"))).await {
            assert_eq!((status, &problem["code"]), (503, &"busy".into()));
        }
        assert_eq!(world.blocked().await, 1);
        let others = async {
            world.until("another user's search has its turn", async || world.blocked().await == 2).await;
            // Requests that do not read messages are still served.
            assert_eq!(world.get("eve", "/me").await.0, 200);
            lock.rollback().await.unwrap();
        };
        tokio::join!(search("ana"), others).0
    };
    let (first, other) = tokio::join!(search("ben"), refused);
    assert_eq!((first.0, other.0), (200, 200));
    assert_eq!(search("ben").await.0, 200);
}

#[tokio::test]
async fn a_search_is_completed_when_its_client_disconnects() {
    let world = World::with(&["--search-budget", "10000"]).await;
    let lock = world.lock("messages").await;
    let search = |user| world.get(user, "/search/messages?q=rolls");
    tokio::select! {
        _ = search("ben") => unreachable!("the messages are locked"),
        () = world.until("a search waits for the lock", async || world.blocked().await == 1) => {}
    }
    assert_eq!(search("ben").await.1["code"], "busy", "the statement runs, so the turn is taken");
    assert_eq!(world.blocked().await, 1);
    lock.rollback().await.unwrap();
    world.until("the turn is free again", async || search("ben").await.0 == 200).await;
}

#[tokio::test]
async fn a_search_in_many_rooms_has_the_newest_messages_first_on_every_page() {
    let world = World::start().await;
    // 300 rooms with a message every hour, each for ten hours; every third message has the word, every 40th room is
    // active again at the end.
    world
        .sql(
            "insert into rooms
             select 'south', 'south.' || n, n, 'noodles', '04109', 'Lunch', false, 'open', null, 'ben', 1, 5, false,
                 'gathering', opened_at, opened_at + interval '1 year', null, 10, 10,
                 case when n % 40 = 0 then '2026-01-20'::timestamptz else opened_at + interval '9 hours' end, ''
             from generate_series(1, 300) as n
             cross join lateral (select '2026-01-03'::timestamptz + n * interval '1 hour' as opened_at) as o;
             insert into members
             select box_id, room_id, 'ben', 'inside', opened_at, 1, 10 from rooms where box_id = 'south';
             insert into user_rooms
             select 'ben', opened_at, room_id, box_id, true, null from rooms where box_id = 'south';
             insert into messages
             select r.box_id, r.room_id, 100000 + r.number * 10 + m, m, 'ben', m,
                 case when (r.number + m) % 3 = 0 then 'tofu' else 'rice' end,
                 false, null,
                 case when m = 10 then r.last_activity_at else r.opened_at + (m - 1) * interval '1 hour' end,
                 null, '{}', '[]', false, null, ''
             from rooms r cross join generate_series(1, 10) as m
             where r.box_id = 'south'",
        )
        .await;
    world.fill_words().await;
    let expected: Vec<String> = world
        .texts(
            "select message_id::text from messages where body = 'tofu'
             order by posted_at desc, box_id, message_id",
        )
        .await;
    assert_eq!(expected.len(), 1_000);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = world.get("ben", &format!("/search/messages?q=tofu&limit=90{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let ids = page["items"].as_array().unwrap().iter().map(|item| item["message_id"].as_str().unwrap().to_owned());
        found.extend(ids);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, expected);
}
