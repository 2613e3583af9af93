//! A running projector follows the log, and notifies subscribers of what it has written.

use std::time::Duration;

use futures::StreamExt;
use harness::Account;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::process::{Servers, until};

/// Waits for the next notification.
pub(crate) async fn next(notifications: &mut async_nats::Subscriber) -> async_nats::Message {
    timeout(Duration::from_secs(10), notifications.next())
        .await
        .expect("a notification in time")
        .expect("a notification")
}

#[tokio::test]
async fn a_notified_event_can_be_read() {
    let servers = Servers::start().await;
    let sample = servers.sample().await;
    let projector = servers.projector("projector").await;
    projector.is_ready().await;
    sample.open("b1").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from rooms", 1).await;
    let listener = servers.client(Account::Query).await;
    let mut live = listener.subscribe("live.g1.*").await.expect("a subscription");
    // A flush only sends. The echo shows that the server has processed what was sent before.
    let mut echo = listener.subscribe("signal.echo").await.expect("a subscription");
    listener.publish("signal.echo", "".into()).await.expect("sent");
    next(&mut echo).await;
    for n in 2..12 {
        let said = sample.say("b1", "hello").await;
        let notification = next(&mut live).await;
        assert_eq!(notification.subject.as_str(), format!("live.g1.{}", said.position.stream));
        let changes: Vec<Value> = serde_json::from_slice(&notification.payload).expect("JSON");
        let sql = "select v from room_events where room_id = 'b1.1' order by v desc limit 1";
        let readable: i64 = sqlx::query_scalar(sql).fetch_one(&mut rows).await.expect("a row");
        assert_eq!(readable, n, "notified before it could be read");
        let data = json!({
            "message_id": said.sequence.to_string(), "author": "ann", "body": "hello", "reply_to": null,
            "erased": false, "mentions": [], "mentions_all": false,
        });
        let [event, _counts, position] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(event["event"]["room_id"], "b1.1");
        assert_eq!((&event["event"]["event"]["v"], &event["event"]["event"]["data"]), (&json!(n), &data));
        assert_eq!(position["position"], said.position.to_string());
    }
}

#[tokio::test]
async fn the_projector_stops_on_request() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    projector.is_ready().await;
    let start = tokio::time::Instant::now();
    let status = projector.process.stop(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_projector_refuses_a_different_number_of_partitions() {
    let servers = Servers::start().await;
    let projector = servers.projector_of("projector", 3).await;
    let status = timeout(Duration::from_secs(10), projector.process.wait()).await.expect("it ends");
    assert!(!status.success());
    let said = projector.process.last_output();
    assert!(said.contains("was created with 2 partitions and cannot be used with 3"), "{said}");
}
