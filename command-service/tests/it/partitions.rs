//! One partition of the log is damaged or full: the service reports it, and the others work.

use async_nats::jetstream::{self, stream::Config};
use harness::Account;
use serde_json::Value;
use testing::wait::until;
use wire::{StreamName, partition_of};

use crate::app::{Installation, PASSWORD, Service};

/// Returns the name of a box's stream on the server.
fn stream(box_id: &str) -> String {
    StreamName::Box(partition_of(&box_id.parse().unwrap(), 4)).on_server()
}

/// Returns two boxes of different partitions.
fn boxes() -> [&'static str; 2] {
    let second = ["b", "c", "d", "e", "f"].into_iter().find(|id| stream(id) != stream("a"));
    ["a", second.unwrap()]
}

/// Starts a service with two boxes of different partitions, and a connection with the account of the log's owner.
async fn start() -> (Installation, Service, jetstream::Context) {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    for box_id in boxes() {
        service.furnish(box_id).await;
    }
    service.register("ana", PASSWORD, "Ana").await.created();
    let client = service_kit::nats::connect(&installation.nats.url(Account::Admin), "test").await.unwrap();
    (installation, service, jetstream::new(client))
}

async fn config(context: &jetstream::Context, name: &str) -> Config {
    context.get_stream(name).await.unwrap().cached_info().config.clone()
}

/// Returns the detail of a check of `/readyz`; `None` if it succeeds.
fn detail<'a>(body: &'a Value, check: &str) -> Option<&'a str> {
    let checks = body["checks"].as_array().unwrap();
    checks.iter().find(|found| found["name"] == check).unwrap()["detail"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_partition_is_named_and_the_others_work() {
    let (_installation, service, context) = start().await;
    let [damaged, whole] = boxes();
    let name = stream(damaged);
    let layout = config(&context, &name).await;
    context.delete_stream(&name).await.unwrap();
    context.create_stream(layout).await.unwrap();
    until("the damage is noticed", async || {
        let answer = service.open_room("ana", damaged).await;
        assert!(answer.status != 500, "{answer:?}");
        answer.code().as_deref() == Some("log-damaged")
    })
    .await;
    let refused = service.open_room("ana", damaged).await;
    refused.refused(503, "log-damaged");
    assert_eq!(refused.header("retry-after"), Some("10"));
    let (status, body) = service.readiness().await;
    let label = name.to_lowercase().replace('_', "-");
    assert!(status == 200 && detail(&body, "partitions").is_some_and(|why| why.contains(&label)), "{body}");
    assert_eq!(detail(&body, "tails"), None);
    service.open_room("ana", whole).await.created();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_space_is_named_until_it_accepts_commands_again() {
    let (_installation, service, context) = start().await;
    let [full, other] = boxes();
    let layout = config(&context, &stream(full)).await;
    context.update_stream(Config { max_bytes: 1, ..layout.clone() }).await.unwrap();
    let refused = service.open_room("ana", full).await;
    refused.refused(503, "log-full");
    assert_eq!(refused.header("retry-after"), Some("30"));
    let (status, body) = service.readiness().await;
    assert!(status == 200 && detail(&body, "partitions").is_some_and(|why| why.contains("size limit")), "{body}");
    service.open_room("ana", other).await.created();
    context.update_stream(layout).await.unwrap();
    service.open_room("ana", full).await.created();
    assert_eq!(detail(&service.readiness().await.1, "partitions"), None);
    service.stop().await;
}
