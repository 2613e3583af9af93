//! The operators' commands for quarantined boxes: list, show, retry, drop.

use async_nats::{HeaderMap, jetstream};
use event_store::codec::envelope::header;
use harness::Account;
use serde_json::Value;
use sqlx::raw_sql;
use wire::partition_of;

use crate::{
    process::{Servers, until},
    world::PARTITIONS,
};

const PARKED: &str = "select count(*) from quarantined_boxes";
const MESSAGES: &str = "select count(*) from messages";

/// Appends an event of a newer release to a box; returns its sequence.
async fn append_unreadable_event(servers: &Servers, box_id: &str) -> u64 {
    let context = jetstream::new(servers.client(Account::Admin).await);
    let partition = partition_of(&box_id.parse().expect("a box id"), PARTITIONS);
    let mut headers = HeaderMap::new();
    headers.insert(header::COMMIT_ID, "from-the-future");
    headers.insert(header::EVENT_TYPES, "message_posted");
    headers.insert(header::SCHEMA, "1");
    headers.insert(header::ACTOR, "ann");
    headers.insert(header::OCCURRED_AT, "2026-03-01T12:00:00.000Z");
    let payload = r#"{"events":[{"type":"message_posted","version":99,"data":{"secret":"noodles"}}]}"#;
    let subject = format!("box.{partition}.{box_id}.talk");
    let stored = context.publish_with_headers(subject, headers, payload.into()).await.expect("sent");
    stored.await.expect("stored").sequence
}

#[tokio::test]
async fn a_quarantined_box_is_named_and_continues_without_the_dropped_event() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    projector.is_ready().await;
    for box_id in ["b1", "b2"] {
        sample.open(box_id).await;
    }
    let sequence = append_unreadable_event(&servers, "b1").await;
    sample.say("b1", "waits").await;
    sample.say("b2", "flows").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, MESSAGES, 1).await;
    until(&mut rows, PARKED, 1).await;
    projector.is_ready_but_names("quarantine", &format!("b1 at {sequence}")).await;

    let (code, said) = servers.command(&["quarantine", "list", "--json"]).await;
    assert_eq!((code, said.lines().count()), (0, 1), "{said}");
    let listed: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&listed["box_id"], &listed["sequence"]), (&"b1".into(), &sequence.into()));
    assert_eq!((&listed["waiting"], &listed["generations"]), (&2.into(), &vec![1].into()));
    let (code, said) = servers.command(&["quarantine", "show", "b1"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("message_posted version 99, stored at"), "{said}");
    assert!(!said.contains("noodles"), "the event's content is not shown: {said}");
    let refused = "{\"error\":\"refused\",\"message\":\"the box b2 is not in quarantine\"}\n".to_owned();
    assert_eq!(servers.command(&["quarantine", "show", "b2", "--json"]).await, (3, refused));

    // The cause persists, so the box goes into quarantine again.
    let (code, said) = servers.command(&["quarantine", "retry", "b1"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("still in quarantine: b1"), "{said}");

    sample.drop_event("b1", sequence).await;
    until(&mut rows, MESSAGES, 2).await;
    until(&mut rows, PARKED, 0).await;
    projector.is_ready().await;
    assert_eq!(servers.command(&["quarantine", "list"]).await, (0, "no box is in quarantine\n".to_owned()));
    let (code, said) = servers.command(&["verify", "--fresh"]).await;
    assert_eq!(code, 0, "a rebuild is the same: {said}");
}

#[tokio::test]
async fn a_box_continues_when_it_is_retried_after_a_repair() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    projector.is_ready().await;
    sample.open("b1").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from rooms", 1).await;
    let refuse = "alter table messages add constraint wrong check (body <> 'refused')";
    raw_sql(refuse).execute(&mut rows).await.expect("a rule");
    sample.say("b1", "refused").await;
    sample.say("b1", "waits").await;
    until(&mut rows, PARKED, 1).await;
    until(&mut rows, "select count(*) from parked_events", 2).await;
    raw_sql("alter table messages drop constraint wrong").execute(&mut rows).await.expect("no rule");
    let (code, said) = servers.command(&["quarantine", "retry", "--all"]).await;
    assert_eq!((code, said.as_str()), (0, "b1 released\n"));
    until(&mut rows, MESSAGES, 2).await;
    assert_eq!(servers.command(&["quarantine", "retry", "--all"]).await.0, 0, "there is nothing to do");
    assert_eq!(servers.command(&["quarantine", "retry", "b1"]).await.0, 3);
    // The box also follows later events.
    sample.say("b1", "later").await;
    until(&mut rows, MESSAGES, 3).await;
    assert_eq!(servers.command(&["verify", "--fresh"]).await.0, 0);
}

#[tokio::test]
async fn verify_ends_with_an_exit_code_for_scripts() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    projector.is_ready().await;
    sample.meet("b1").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, MESSAGES, 20).await;
    let (code, said) = servers.command(&["verify"]).await;
    assert_eq!(code, 3, "there is one generation only: {said}");
    assert_eq!(servers.command(&["verify", "--fresh", "--max-rate", "many"]).await.0, 2);
    assert_eq!(servers.command(&["verify", "--fresh"]).await.0, 0);
    raw_sql("update messages set body = 'changed' where ordinal = 3").execute(&mut rows).await.expect("a change");
    let (code, said) = servers.command(&["verify", "1", "1", "--json"]).await;
    assert_eq!((code, said.starts_with("{\"error\":\"refused\"")), (3, true), "{said}");
    let (code, said) = servers.command(&["verify", "--fresh", "--json"]).await;
    assert_eq!(code, 4, "{said}");
    assert!(!said.contains("changed"), "user content is not shown: {said}");
    let (_, shown) = servers.command(&["verify", "--fresh", "--values"]).await;
    assert!(shown.contains("changed") && shown.contains("differing: body"), "{shown}");
    let found: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(found["generations"], serde_json::json!([1, "fresh"]));
    assert_eq!((&found["differences"], &found["shown"][0]["table"]), (&1.into(), &"messages".into()));
    assert_eq!(found["shown"][0]["events"][0]["types"][0], "message_posted");
}

#[tokio::test]
async fn an_event_is_not_dropped_by_accident() {
    let servers = Servers::start().await;
    let drop = ["quarantine", "drop", "b1", "7", "--reason", "a test"];
    let (code, said) = servers.command(&drop).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--yes"), "{said}");
    let (code, said) = servers.command(&[drop.as_slice(), &["--yes"]].concat()).await;
    assert_eq!((code, said.as_str()), (5, "error: no command-service answers\n"));
    let nobody = servers.nats.url(Account::Operator).replace("operator:", "operator:not");
    let (code, said) = servers.command(&["status", "--operator-url", &nobody]).await;
    assert_eq!((code, said.as_str()), (1, "error: NATS does not accept this user with this password\n"));
    let (code, said) = servers.command(&["status", "--operator-url", "nats://operator:password@127.0.0.1:1"]).await;
    assert!(code == 5 && said.starts_with("error: there is no connection to NATS: "), "{said}");
}
