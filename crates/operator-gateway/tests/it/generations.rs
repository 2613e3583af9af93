//! The way of a generation: built, watched, activated, rolled back and retired.

use harness::StackOptions;
use serde_json::{Value, json};
use testing::wait::{eventually, until};

use crate::world::{GATEWAY, World, send};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn generation(report: &Value, number: i64) -> Option<&Value> {
    report["generations"].as_array()?.iter().find(|generation| generation["generation"] == number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_built_activated_rolled_back_and_retired() {
    let nowhere = (GATEWAY, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned());
    let world = World::with(StackOptions { env: vec![nowhere], ..StackOptions::default() }).await;
    for number in 0..5 {
        world.install_box(&format!("box-{number}")).await;
    }
    let report = world.status().await;
    assert_eq!((&report["projectors"], &generation(&report, 1).unwrap()["state"]), (&json!(1), &json!("active")));
    let refused = world.operate("projector/rollback", json!({ "from": 1 })).await;
    refused.refused(409, "refused");
    let reason = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(reason.contains("generation"), "{reason}");

    let rebuild = world.post("projector/rebuild").header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    // Slow enough to be paused before its end.
    let rebuild = rebuild.json(&json!({ "to": "ready", "max_rate": 1, "low_priority": false }));
    assert_eq!(send(rebuild).await.ok(), json!({ "generation": 2 }));
    let second = json!({ "generation": 2 });
    assert_eq!(world.operate("projector/pause", second.clone()).await.ok(), second);
    let report = world.status().await;
    let building = generation(&report, 2).unwrap();
    assert_eq!((&building["state"], &building["paused"]), (&json!("building"), &json!(true)));
    let left: u64 = building["streams"].as_array().unwrap().iter().filter_map(|stream| stream["lag"].as_u64()).sum();
    assert!(left > 0, "{building}");
    assert_eq!(world.operate("projector/resume", second.clone()).await.ok(), second);
    let ready = eventually("the generation is ready", async || {
        let report = world.status().await;
        let found = generation(&report, 2)?.clone();
        (found["state"] == "ready").then_some(found)
    })
    .await;
    let streams = ready["streams"].as_array().unwrap();
    let is_complete = |stream: &Value| stream["position"] == stream["end"] && stream["lag"] == 0;
    assert!(!streams.is_empty() && streams.iter().all(is_complete), "{streams:?}");
    let projected: u64 = streams.iter().filter_map(|stream| stream["position"].as_u64()).sum();
    assert!(projected >= 5, "{streams:?}");

    let activate = |unverified: bool| json!({ "generation": 2, "unverified": unverified });
    world.operate("projector/activate", activate(false)).await.refused(409, "refused");
    let switched = eventually("the generation is activated", async || {
        let answer = world.operate("projector/activate", activate(true)).await;
        answer.status.is_success().then(|| answer.json())
    })
    .await;
    assert_eq!(switched, json!({ "generation": 2, "former": 1 }));
    let back = world.operate("projector/rollback", json!({ "from": 2 })).await;
    assert_eq!(back.ok(), json!({ "generation": 1, "former": 2 }));
    world.operate("projector/rollback", json!({ "from": 2 })).await.refused(409, "refused");
    let retired = world.operate("projector/retire", second).await;
    assert_eq!(retired.ok(), json!({ "generations": [2] }));
    world.operate("projector/retire", json!("all_standby")).await;
    let quarantined = send(world.post("projector/quarantine_list")).await;
    assert_eq!(quarantined.ok(), json!({ "boxes": [], "more": 0 }));
    world.operate("projector/quarantine_show", json!({ "box_id": "box-1" })).await.refused(409, "refused");
    let audit = world.operate("projector/audit", json!({ "box_id": "box-1" })).await.ok();
    assert_eq!(audit["entries"][0]["actor"], "ops", "{audit}");

    // Every request that changes something is logged with the operator, and the others are not.
    until("the requests are logged", async || {
        let logs = world.stack.logs().unwrap();
        let line = |verb: &str, outcome: &str| {
            let has = |line: &&str| ["operator=ops", verb, outcome].iter().all(|part| line.contains(part));
            logs.lines().find(has).map(str::to_owned)
        };
        let is_traced = line("rebuild", "done").is_some_and(|line| line.contains(TRACE) && line.contains("INFO"));
        is_traced && line("rollback", "refused").is_some() && line("retire", "done").is_some()
    })
    .await;
    let logs = world.stack.logs().unwrap();
    assert!(!logs.lines().any(|line| line.contains("operator=ops") && line.contains("status\"")), "{logs}");
}
