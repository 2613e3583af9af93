//! Tokens that are revoked during use.

use std::time::Instant;

use async_nats::jetstream;
use harness::Account;
use serde_json::{Value, json};

use super::{
    listener::Listener,
    tickets::{start, ticket},
    world::World,
};

/// Revokes all tokens of a user, as a command-service does.
async fn revoke(world: &World, user: &str) {
    let nats = service_kit::nats::connect(&world.nats.url(Account::Command), "test").await.unwrap();
    let context = jetstream::with_prefix(nats, wire::SERVICE_API_PREFIX);
    let now = service_kit::clock::now();
    let revoked = json!({ "before": now, "until": now + chrono::TimeDelta::hours(1) });
    let bucket = context.get_key_value("revoked").await.unwrap();
    bucket.put(format!("user.{user}"), revoked.to_string().into()).await.unwrap();
}

#[tokio::test]
async fn a_signed_out_user_loses_reads_tickets_and_live_connections_within_seconds() {
    let world = start().await;
    signed_out(&world).await;
}

/// The server does not notify of revocations, and the bucket is polled.
#[tokio::test]
async fn a_revocation_in_a_bucket_of_an_earlier_version_counts_as_soon() {
    let world = start().await;
    let url: async_nats::ServerAddr = world.nats.url(Account::Admin).parse().unwrap();
    let [user, password] = [url.username(), url.password()].map(|word| word.unwrap().to_owned());
    let admin = async_nats::ConnectOptions::with_user_and_password(user, password).connect(url).await.unwrap();
    let admin = jetstream::new(admin);
    for bucket in ["KV_revoked", "KV_signing_keys"] {
        let mut config = admin.get_stream(bucket).await.unwrap().cached_info().config.clone();
        assert!(config.republish.take().is_some());
        config.metadata.clear();
        admin.update_stream(config).await.unwrap();
    }
    signed_out(&world).await;
}

async fn signed_out(world: &World) {
    let token = world.token("ben");
    let header = format!("Bearer {token}");
    let ticket = ticket(world, "ben").await;
    let mut watcher = world.connect().await;
    watcher.say(json!({ "type": "hello", "token": token })).await;
    assert_eq!(watcher.next().await["type"], "welcome");
    let mut listener = Listener::with(world, "rooms=north.2", &[("authorization", &header)]).await;
    let mut ana = world.watch("ana", None).await;
    assert_eq!(ana.next().await["type"], "subscribed");

    revoke(world, "ben").await;
    let since = Instant::now();
    assert_eq!(watcher.bye().await, (4202, "revoked-token".to_owned()));
    eprintln!("the connection ended {:?} after the revocation", since.elapsed());
    assert!(since.elapsed().as_secs() < 4, "{:?}", since.elapsed());
    let bye = listener.until("bye").await;
    assert_eq!((&bye["code"], &bye["retry_ms"]), (&json!(4202), &json!(0)));
    let refused = world.get_with("/boxes", &[("authorization", &header)]).await;
    let of_ticket = world.get_with(&format!("/events?ticket={ticket}"), &[]).await;
    for refused in [refused, of_ticket] {
        assert_eq!(refused.status().as_u16(), 401);
        assert_eq!(refused.json::<Value>().await.unwrap()["code"], "revoked-token");
    }
    let mut again = world.connect().await;
    again.say(json!({ "type": "hello", "token": token })).await;
    assert_eq!(again.next().await["code"], "revoked-token");
    assert_eq!(again.bye().await, (4202, "revoked-token".to_owned()));

    // A user who has signed in again is accepted, and other users are not affected.
    world.watch("ben", None).await;
    ana.say(json!({ "type": "unsubscribe", "id": 1, "room_id": "north.2" })).await;
    assert_eq!(ana.next().await["type"], "unsubscribed");
}
