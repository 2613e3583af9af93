//! Tests of the notifications of changed buckets: followed at once, and replaced by polling where they may be lost.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::{Client, jetstream};
use event_store::{JetStreamLog, Log};
use futures::StreamExt;
use harness::{Account, Nats};
use provision::topology::{ProvisionOptions, provision};
use storage::{BucketWatch, JetStream};
use testing::{Proxy, server};
use tokio::time::timeout;
use wire::{OWNER_API_PREFIX, StreamName, bucket};

use crate::sealing::destroyed_everywhere;

/// The polling interval of these tests.
const POLL: Duration = Duration::from_millis(200);

/// A time in which a watch that polls has polled several times.
const QUIET: Duration = Duration::from_millis(1_500);

/// The timeout of a notification on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The timeout of noticing that changes are notified from now on.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(40);

/// The interval of reads in any case: longer than these tests.
const SAFETY: Duration = Duration::from_mins(10);

const BUCKETS: [&str; 3] = ["signing_keys", "revoked", "user-keys"];

async fn admin(nats: &Nats) -> jetstream::Context {
    jetstream::new(server::connect(&nats.url(Account::Admin)).await)
}

/// Makes a bucket one of an earlier version, which has no notifications.
pub(crate) async fn silence(nats: &Nats, bucket: &str) {
    let context = admin(nats).await;
    let mut config = context.get_stream(format!("KV_{bucket}")).await.unwrap().cached_info().config.clone();
    config.republish = None;
    config.metadata.clear();
    context.update_stream(config).await.unwrap();
}

async fn change(nats: &Nats, bucket: &str) {
    let key = if bucket == "revoked" { "user.ann" } else { "ann" };
    admin(nats).await.publish(format!("$KV.{bucket}.{key}"), "{}".into()).await.unwrap().await.unwrap();
}

async fn watch(client: Client, bucket: &'static str) -> BucketWatch {
    BucketWatch::start(JetStream::new(client), bucket, SAFETY).await
}

/// Returns true if the watch waits for a notification without polling.
async fn is_quiet(watch: &mut BucketWatch) -> bool {
    timeout(QUIET, watch.changed(POLL)).await.is_err()
}

/// Asserts that the watch returns repeatedly although nothing changes.
async fn polls(watch: &mut BucketWatch) {
    for _ in 0..5 {
        timeout(PATIENCE, watch.changed(POLL)).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_is_noticed_at_once_and_an_idle_bucket_is_left_alone() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    for bucket in BUCKETS {
        let account = if bucket == "user-keys" { Account::Projector } else { Account::Query };
        let mut watch = watch(server::connect(&nats.url(account)).await, bucket).await;
        assert!(is_quiet(&mut watch).await, "{bucket} is polled");
        change(&nats, bucket).await;
        timeout(PATIENCE, watch.changed(POLL)).await.unwrap();
        assert!(is_quiet(&mut watch).await, "one change is noticed once");
    }
}

#[tokio::test]
async fn a_bucket_of_an_earlier_version_is_polled_until_it_is_provisioned_again() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let info = async |bucket| {
        let stream = admin(&nats).await.get_stream(format!("KV_{bucket}")).await.unwrap();
        let info = stream.cached_info().clone();
        (info.config.republish, info.created, info.state.messages)
    };
    for bucket in BUCKETS {
        change(&nats, bucket).await;
        let before = info(bucket).await;
        silence(&nats, bucket).await;
        let connect = async || server::connect(&nats.url(Account::Command)).await;
        polls(&mut watch(connect().await, bucket).await).await;
        let options = ProvisionOptions { partitions: server::PARTITIONS, replicas: 1 };
        for _ in 0..2 {
            provision(server::connect(&nats.url(Account::Admin)).await, options).await.unwrap();
            assert_eq!(info(bucket).await, before);
        }
        assert!(is_quiet(&mut watch(connect().await, bucket).await).await, "{bucket} is still polled");
    }
}

/// The permissions of an earlier version allow neither the notifications nor the question.
#[tokio::test]
async fn a_bucket_is_polled_by_an_account_that_may_not_ask() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let device = server::connect(&nats.url(Account::Device)).await;
    polls(&mut watch(device, "revoked").await).await;
}

/// The server denied the first subscription, which the client does not show.
#[tokio::test]
async fn a_change_is_noticed_on_the_same_connection_after_an_upgrade_of_the_accounts() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let accounts = std::fs::read_to_string(nats.folder().join("accounts.conf")).unwrap();
    let earlier = accounts.replace("stored.KV_revoked.>", "stored.KV_absent.>");
    let earlier = earlier.replace("STREAM.INFO.KV_revoked", "STREAM.INFO.KV_absent");
    nats.stop().await;
    std::fs::write(nats.folder().join("accounts.conf"), earlier).unwrap();
    nats.start_again().await.unwrap();
    let client = server::connect(&nats.url(Account::Query)).await;
    let mut watch = watch(client.clone(), "revoked").await;
    polls(&mut watch).await;
    std::fs::write(nats.folder().join("accounts.conf"), accounts).unwrap();
    let pid = nats.pid().await.unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    timeout(UPGRADE_TIMEOUT, async { while !is_quiet(&mut watch).await {} }).await.unwrap();
    change(&nats, "revoked").await;
    timeout(PATIENCE, watch.changed(POLL)).await.unwrap();
    assert_eq!(client.statistics().connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_new_connection_counts_as_a_change() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let proxy = Proxy::to(nats.port()).await;
    let url = nats.url(Account::Command).replace(&format!(":{}", nats.port()), &format!(":{}", proxy.port));
    let mut watch = watch(server::connect(&url).await, "revoked").await;
    assert!(is_quiet(&mut watch).await);
    // The notification is lost with the connection.
    proxy.lose_answers();
    change(&nats, "revoked").await;
    assert!(is_quiet(&mut watch).await, "the notification is not lost");
    proxy.cut();
    timeout(PATIENCE, watch.changed(POLL)).await.unwrap();
    assert!(is_quiet(&mut watch).await, "the new connection is not trusted");
}

#[tokio::test]
async fn notifications_have_no_content() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let projector = server::connect(&nats.url(Account::Projector)).await;
    let mut changes = projector.subscribe(bucket::changes("user-keys")).await.unwrap();
    // The answer shows that the server has processed the subscription.
    JetStreamLog::new(projector.clone()).state(StreamName::User).await.unwrap();
    let context = admin(&nats).await;
    context.publish("$KV.user-keys.ann", "secret".into()).await.unwrap().await.unwrap();
    let notification = timeout(PATIENCE, changes.next()).await.unwrap().unwrap();
    assert!(notification.payload.is_empty() && !format!("{notification:?}").contains("secret"), "{notification:?}");
}

#[tokio::test]
async fn a_destroyed_key_is_noticed_without_notifications() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    silence(&nats, "user-keys").await;
    destroyed_everywhere(&nats).await;
}

/// The owner of the log asks under the server's own prefix.
#[tokio::test]
async fn the_owner_of_the_log_is_notified_too() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let owner = server::connect(&nats.url(Account::Admin)).await;
    let mut watch = BucketWatch::start(JetStream::with_prefix(owner, OWNER_API_PREFIX), "revoked", SAFETY).await;
    assert!(is_quiet(&mut watch).await);
}
