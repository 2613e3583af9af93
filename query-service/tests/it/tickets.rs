//! Tickets, for clients that cannot send headers.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use harness::Account;
use provision::{streams::provision, topology::ProvisionOptions};

use super::{listener::Listener, world::World};

/// Starts a query-service with a bucket for tickets.
pub(super) async fn start() -> World {
    let world = World::start().await;
    let options = ProvisionOptions { partitions: world.nats.partitions(), replicas: 1 };
    provision(&world.nats.url(Account::Admin), options).await.unwrap();
    world
}

pub(super) async fn ticket(world: &World, user: &str) -> String {
    let (status, answer) = world.post(user, "/live-tickets").await;
    assert_eq!((status, &answer["expires_in"]), (201, &30.into()), "{answer}");
    answer["ticket"].as_str().unwrap().to_owned()
}

async fn is_refused(world: &World, ticket: &str) {
    let (status, problem) = world.plain_get(&format!("/events?rooms=north.2&ticket={ticket}")).await;
    assert_eq!((status, &problem["code"]), (401, &"invalid-ticket".into()), "{ticket}");
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let world = start().await;
    let ticket = ticket(&world, "ben").await;
    let query = format!("rooms=north.2&ticket={ticket}");
    let (status, _) = world.plain_get(&format!("{query}&surprise=1").replace("rooms", "/events?rooms")).await;
    assert_eq!(status, 400, "and a request that is wrong does not use it up");
    let mut ben = Listener::with(&world, &query, &[]).await;
    assert_eq!(ben.until("subscribed").await["head_v"], 9);
    is_refused(&world, &ticket).await;
    let made_up: String = ticket.chars().rev().collect();
    for strange in [made_up.as_str(), "", "x", "a.b", "*", &"A".repeat(5_000)] {
        is_refused(&world, strange).await;
    }
}

#[tokio::test]
async fn one_of_many_concurrent_uses_of_a_ticket_succeeds() {
    let world = start().await;
    for _ in 0..5 {
        let path = format!("/events?ticket={}", ticket(&world, "ben").await);
        let asked = (0..8).map(|_| async { world.get_with(&path, &[]).await.status().as_u16() });
        let mut statuses = futures::future::join_all(asked).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401, 401, 401, 401]);
    }
}

#[tokio::test]
async fn a_ticket_expires() {
    let world = start().await;
    let nats = service_kit::nats::connect(&world.nats.url(Account::Admin), "test").await.unwrap();
    let context = jetstream::new(nats);
    let bucket = context.get_stream("KV_tickets").await.unwrap();
    let config = bucket.cached_info().config.clone();
    assert_eq!(config.max_age, Duration::from_secs(30));
    let ticket = ticket(&world, "ben").await;
    let sooner = stream::Config { max_age: Duration::from_millis(200), ..config };
    let sooner = stream::Config { duplicate_window: Duration::from_millis(200), ..sooner };
    context.update_stream(sooner).await.unwrap();
    world.until("expired", async || bucket.get_info().await.unwrap().state.messages == 0).await;
    is_refused(&world, &ticket).await;
}

#[tokio::test]
async fn tickets_are_unavailable_without_nats() {
    let world = start().await;
    let before = ticket(&world, "ben").await;
    world.nats.stop().await;
    world.until("noticed", async || world.post("ben", "/live-tickets").await.0 == 503).await;
    let (_, problem) = world.post("ben", "/live-tickets").await;
    assert_eq!(problem["code"], "tickets-unavailable");
    let answer = world.get_with(&format!("/events?ticket={before}"), &[]).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"2".parse().unwrap()));
    world.nats.start_again().await.unwrap();
    world.until("back", async || world.post("ben", "/live-tickets").await.0 == 201).await;
}
