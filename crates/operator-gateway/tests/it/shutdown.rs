//! Clients that disconnect, and the end of the process.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;
use testing::wait::until;
use tokio::time::timeout;

use crate::world::{GATEWAY, PROJECTOR, World, send};

/// The time within which a supervisor expects the end of a process.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The time limit of each step.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_logged_without_its_client_and_does_not_delay_the_shutdown() {
    let world = World::start().await;
    // No projector runs, and this connection answers late or not at all in its place.
    world.stack.stop(PROJECTOR).await;
    let projector = world.as_projector().await;
    let mut requests = projector.subscribe("ops.projector.*").await.unwrap();
    projector.flush().await.unwrap();

    let pause = world.post("projector/pause").json(&json!({ "generation": 7 }));
    let client = tokio::spawn(pause.send());
    let request = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
    assert_eq!(request.subject.as_str(), "ops.projector.pause");
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    let answer = json!({ "done": { "generation": 7 } }).to_string();
    projector.publish(request.reply.unwrap(), answer.into()).await.unwrap();
    until("the request is logged", async || {
        let logs = world.stack.logs().unwrap();
        logs.lines().any(|line| ["operator=ops", "pause", "done"].iter().all(|part| line.contains(part)))
    })
    .await;

    let waiting = tokio::spawn(world.post("projector/status").send());
    timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
    let stopped_at = Instant::now();
    let status = world.stack.stop(GATEWAY).await.unwrap();
    assert!(status.success(), "{status}: {}", world.stack.last_output(GATEWAY).await);
    assert!(stopped_at.elapsed() < STOP_LIMIT, "{:?}", stopped_at.elapsed());
    assert!(!waiting.await.unwrap().is_ok_and(|response| response.status().is_success()));
    world.stack.start_again(GATEWAY).await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            projector.publish(request.reply.unwrap(), "not an answer".into()).await.unwrap();
        }
    });
    send(world.post("projector/status")).await.refused(502, "failed");
    answering.abort();
}
