//! Requests to notifiers: webhooks and dead push messages.

use harness::{ServiceId, StackOptions};
use serde_json::json;

use crate::world::{World, send};

/// An address where nothing listens.
const RECEIVER: &str = "http://127.0.0.1:9/events";

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_added_listed_paused_and_removed() {
    let private = (ServiceId::Notifier(0), "BOXROOM_PRIVATE_WEBHOOKS", "true".to_owned());
    let world = World::with(StackOptions { notifiers: 1, env: vec![private], ..StackOptions::default() }).await;
    let list = async || send(world.post("notifier/webhook_list")).await.ok();
    assert_eq!(list().await, json!([]));
    let add = json!({ "url": RECEIVER, "types": ["order_arrived"], "box_id": null });
    let added = world.operate("notifier/webhook_add", add).await;
    assert_eq!(added.header("cache-control"), Some("no-store"), "the answer has a secret");
    let added = added.ok();
    let secret = added["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "the secret is shown once");
    world.stack.secrets().hide(secret);
    let id = &added["webhook"]["webhook_id"];
    let listed = list().await;
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["webhook_id"], &listed[0]["url"]),
        (1, id, &json!(RECEIVER))
    );
    assert!(!listed.to_string().contains(secret));
    let one = json!({ "webhook_id": id });
    let shown = world.operate("notifier/webhook_show", one.clone()).await.ok();
    assert_eq!(shown["live"], json!({ "waiting": 0, "sending": 0, "done": 0, "dead": 0 }));
    assert_eq!(world.operate("notifier/webhook_pause", one.clone()).await.ok()["paused_by"], "operator");
    assert_eq!(world.operate("notifier/webhook_resume", one.clone()).await.ok()["paused_at"], json!(null));
    let replay = json!({ "webhook_id": id, "from": "nonsense" });
    world.operate("notifier/webhook_replay", replay).await.refused(409, "refused");
    assert_eq!(world.operate("notifier/webhook_remove", one.clone()).await.ok(), one);
    world.operate("notifier/webhook_show", one).await.refused(409, "refused");
    assert_eq!(list().await, json!([]));

    let dead = send(world.post("notifier/dead_push_list")).await.ok();
    assert_eq!(dead, json!({ "pushes": [], "more": 0 }));
    let none = json!({ "push_id": "0193a7c0-5c1e-7000-8000-000000000001" });
    for verb in ["show", "retry", "drop"] {
        world.operate(&format!("notifier/dead_push_{verb}"), none.clone()).await.refused(409, "refused");
    }
}
