//! Projectors, notifiers and servers that do not run.

use reqwest::Method;
use serde_json::json;
use testing::wait::until;

use crate::world::{PROJECTOR, World, send};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_a_problem_with_its_cause() {
    let world = World::start().await;
    let none = send(world.post("notifier/webhook_list")).await;
    none.refused(503, "no-answer");
    assert_eq!((none.header("retry-after"), &none.json()["detail"]), (Some("2"), &json!("no notifier answers")));

    world.stack.postgres().stop().await;
    world.operate("projector/rollback", json!({})).await.refused(502, "failed");
    world.stack.postgres().start_again().await.unwrap();
    until("the projector answers again", async || send(world.post("projector/status")).await.status == 200).await;

    world.stack.stop(PROJECTOR).await;
    let none = send(world.post("projector/status")).await;
    none.refused(503, "no-answer");
    assert_eq!(none.json()["detail"], "no projector answers");

    world.stack.nats().stop().await;
    let is_ready = async || send(world.request(Method::GET, "/readyz")).await.status == 200;
    until("the gateway is not ready", async || !is_ready().await).await;
    let none = send(world.post("projector/status")).await;
    none.refused(503, "no-answer");
    assert!(none.json()["detail"].as_str().unwrap().contains("no connection to NATS"), "{none}");
    world.stack.nats().start_again().await.unwrap();
    until("the gateway is ready again", is_ready).await;
    world.stack.start_again(PROJECTOR).await.unwrap();
    assert_eq!(world.status().await["projectors"], 1);
}
