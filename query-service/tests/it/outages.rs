//! Outages of PostgreSQL and NATS.

use std::time::{Duration, Instant};

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn reads_fail_fast_without_postgresql_and_recover() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    ben.next().await;
    world.postgres.stop().await;
    for _ in 0..3 {
        let started = Instant::now();
        let (status, problem) = world.get("ana", "/rooms").await;
        assert_eq!((status, &problem["code"]), (503, &"database-unavailable".into()));
        assert!(started.elapsed() < Duration::from_secs(4));
    }
    let (status, ready) = world.plain_get("/readyz").await;
    assert_eq!(status, 503, "{ready}");
    assert_eq!(world.plain_get("/healthz").await.0, 200);

    // Live events continue from notifications, as long as none is missing.
    world.publish_event(10, "message_posted", "ana", json!({ "body": "live" })).await;
    ben.events([10]).await;
    // A missing event is read as soon as the database is back.
    world.publish_event(12, "message_posted", "ana", json!({ "body": "later" })).await;
    world.postgres.start_again().await.unwrap();
    for v in 10..=12 {
        world.append(v, "message_posted", "ana", json!({ "body": "stored" })).await;
    }
    ben.events(11..=12).await;
    world.until("reads go on", async || world.get("ana", "/rooms").await.0 == 200).await;
    world.until("ready again", async || world.plain_get("/readyz").await.0 == 200).await;
}

#[tokio::test]
async fn reads_continue_without_nats_and_live_connections_recover_afterwards() {
    let world = World::start().await;
    let mut ben = world.watch("ben", None).await;
    ben.next().await;
    world.nats.kill().await;
    let nats = async || {
        let (status, ready) = world.plain_get("/readyz").await;
        assert_eq!((status, &ready["checks"][2]["name"]), (200, &"nats".into()), "reads go on");
        ready["checks"][2]["ok"] == true
    };
    world.until("NATS is missed", async || !nats().await).await;
    assert_eq!(world.get("ana", "/rooms").await.0, 200);
    // A new connection is served from the feed.
    let mut ana = world.watch("ana", Some(8)).await;
    ana.next().await;
    ana.events([9]).await;
    for v in 10..=11 {
        world.append(v, "message_posted", "ana", json!({ "body": "unheard" })).await;
    }
    world.nats.start_again().await.unwrap();
    ben.events(10..=11).await;
    ana.events(10..=11).await;
    world.until("NATS is back", async || nats().await).await;
    world.happen(12, "message_posted", "ana", json!({ "body": "heard" })).await;
    ben.events([12]).await;
    ana.events([12]).await;
}

#[tokio::test]
async fn many_idle_connections_do_not_occupy_the_pool() {
    let world = World::with(&["--database-pool", "2", "--connections-per-user", "300"]).await;
    let mut watchers = Vec::new();
    for _ in 0..300 {
        watchers.push(world.watch("ben", Some(8)).await);
    }
    for watcher in &mut watchers {
        assert_eq!(watcher.next().await["type"], "subscribed");
        watcher.events([9]).await;
    }
    let reads = (0..200).map(|_| world.get("ana", "/rooms/north.2/messages"));
    for (status, body) in futures::future::join_all(reads).await {
        assert_eq!(status, 200, "{body}");
    }
    world.happen(10, "message_posted", "ana", json!({ "body": "hi" })).await;
    for watcher in &mut watchers {
        watcher.events([10]).await;
    }
}
