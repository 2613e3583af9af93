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
