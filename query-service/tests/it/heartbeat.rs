//! Heartbeats: head versions in every ping, and clients that do not answer.

use serde_json::json;

use super::world::World;

#[tokio::test]
async fn pings_carry_the_heads_and_a_silent_connection_is_closed() {
    let world = World::with(&["--heartbeat", "1"]).await;
    let mut ben = world.watch("ben", None).await;
    let mut silent = world.watch("ana", None).await;
    ben.next().await;
    silent.next().await;
    world.happen(10, "message_posted", "ana", json!({ "body": "hi" })).await;
    ben.events([10]).await;
    silent.events([10]).await;
    for _ in 0..5 {
        let ping = ben.next().await;
        assert_eq!((&ping["type"], &ping["heads"]), (&"ping".into(), &json!({ "north.2": 10 })));
        assert!(ping["cursor"].is_string());
        ben.say(json!({ "type": "pong" })).await;
    }
    let mut frame = silent.next().await;
    while frame["type"] == "ping" {
        frame = silent.next().await;
    }
    assert_eq!((&frame["type"], &frame["code"], &frame["reason"]), (&"bye".into(), &4002.into(), &"silent".into()));
}
