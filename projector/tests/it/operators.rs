//! Operators and running projectors: requests are carried out, even if projectors are killed in the meantime.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use harness::Role;
use projector::Database;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    process::{Servers, until},
    sample_log::SampleLog,
    world::everything,
};

async fn generation(servers: &Servers, number: i32) -> PgConnection {
    let database = Database::new(&servers.postgres.url(Role::Admin), "test").expect("a URL");
    database.generation(number).await.expect("a connection")
}

async fn same_tables(servers: &Servers, one: i32, other: i32) {
    let (mut one, mut other) = (generation(servers, one).await, generation(servers, other).await);
    let (one, other) = (everything(&mut one).await, everything(&mut other).await);
    assert!(!one["messages"].is_empty());
    assert_eq!(one, other);
}

fn reached(generation: &Value) -> u64 {
    let streams = generation["streams"].as_array().into_iter().flatten();
    streams.filter_map(|stream| stream["position"].as_u64()).sum()
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |generation| generation["state"] == state
}

fn at_the_end(generation: &Value) -> bool {
    generation["streams"].as_array().is_some_and(|streams| streams.iter().all(|stream| stream["lag"] == 0))
}

/// Creates users, a store, and this many messages in each of three boxes.
async fn busy_log(servers: &Servers, messages: usize) -> SampleLog {
    let sample = servers.sample().await;
    sample.settle().await;
    for box_id in ["b1", "b2", "b3"] {
        sample.meet(box_id).await;
        for n in 0..messages {
            sample.say(box_id, &format!("more {n}")).await;
        }
    }
    sample
}

#[tokio::test]
async fn a_rebuilt_generation_takes_over_and_can_be_rolled_back_and_retired() {
    let servers = Servers::start().await;
    assert_eq!(servers.operate("status").await.0, 5, "no projector answers");
    let projector = servers.projector("projector").await;
    projector.is_ready().await;
    let sample = busy_log(&servers, 10).await;
    let rebuilt = servers.operated("rebuild --yes").await;
    assert_eq!((&rebuilt["generation"], &rebuilt["state"]), (&Value::from(2), &Value::from("active")));
    let standby = servers.until_generation(1, "kept", is("standby")).await;
    assert_eq!(standby["goal"], "active");
    assert_eq!(servers.operate("activate 9").await.0, 3);
    assert_eq!(servers.operate("retire 2 --yes").await.0, 3, "it is active");
    assert_eq!(servers.operate("retire 1").await.0, 3, "there is no terminal to confirm");
    assert_eq!(servers.operate("retire").await.0, 2);
    sample.say("b1", "both hear this").await;
    for number in [1, 2] {
        let mut rows = generation(&servers, number).await;
        until(&mut rows, "select count(*) from messages where body = 'both hear this'", 1).await;
    }
    same_tables(&servers, 1, 2).await;
    let back = servers.operated("rollback").await;
    assert_eq!((&back["generation"], &back["former"]), (&Value::from(1), &Value::from(2)));
    let retired = servers.operated("retire --all-standby --yes").await;
    assert_eq!(retired["generations"], serde_json::json!([2]));
    let schemas = "select count(*) from information_schema.schemata where schema_name = 'read_g2'";
    until(&mut generation(&servers, 1).await, schemas, 0).await;
    assert_eq!(servers.operate("rollback").await.0, 3);
    projector.is_ready().await;
}

/// Returns true if `status --follow` at some time estimates the rest of a rebuild at this rate within a fifth. A busy
/// machine may spoil one estimate, but not all.
async fn estimates_the_remaining_time(servers: &Servers, number: i32, rate: f64) -> bool {
    let mut watching = servers.watch("status --follow");
    loop {
        let report = watching.next().await;
        let generations = report["generations"].as_array().cloned().unwrap_or_default();
        let found = generations.into_iter().find(|generation| generation["generation"] == number).unwrap_or_default();
        if found["state"] != "building" || at_the_end(&found) {
            return false;
        }
        let streams = found["streams"].as_array().into_iter().flatten();
        let left = streams.filter_map(|stream| stream["lag"].as_f64()).sum::<f64>() / rate;
        if found["seconds_left"].as_f64().is_some_and(|told| (told - left).abs() <= left / 5.0) {
            return true;
        }
    }
}

#[tokio::test]
async fn a_throttled_rebuild_continues_after_its_projector_is_killed() {
    let servers = Servers::start().await;
    let first = servers.projector("first").await;
    let sample = busy_log(&servers, 150).await;
    let length = servers.until_generation(1, "at the end", at_the_end).await;
    servers.operated("rebuild --to ready --max-rate 100 --detach --yes").await;
    let begin = std::time::Instant::now();
    assert!(estimates_the_remaining_time(&servers, 2, 100.0).await, "the remaining time was never estimated");
    let before = servers.until_generation(2, "on its way", |generation| reached(generation) > 50).await;
    assert!(!at_the_end(&before), "it is not throttled");
    first.process.kill().await;
    let _second = servers.projector("second").await;
    let after = servers.until_generation(2, "taken on", |generation| reached(generation) > 0).await;
    assert!(reached(&after) >= reached(&before), "it began anew: {before} {after}");
    sample.say("b1", "meanwhile").await;
    servers.until_generation(2, "ready", is("ready")).await;
    // The messages of the two long streams are projected at their share of a hundred events per second.
    let least = Duration::from_secs(reached(&length) / 100);
    assert!(begin.elapsed() >= least, "{:?} for {}", begin.elapsed(), reached(&length));
    servers.until_generation(1, "at the end", at_the_end).await;
    servers.until_generation(2, "at the end", at_the_end).await;
    same_tables(&servers, 1, 2).await;
    let indexes = "select count(*) from pg_indexes where schemaname = 'read_g2' and indexname = 'messages_by_words'";
    until(&mut generation(&servers, 1).await, indexes, 1).await;
}

/// The time for which a rebuild is kept from writing, and the minimum pause before its next step: it rests three times
/// as long as the step took.
const KEPT: Duration = Duration::from_millis(500);
const APART: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_low_priority_rebuild_leaves_most_of_the_time_to_others() {
    let servers = Servers::start().await;
    let _projector = servers.projector("projector").await;
    busy_log(&servers, 100).await;
    servers.until_generation(1, "at the end", at_the_end).await;
    servers.operated("rebuild --to ready --max-rate 40 --priority low --detach --yes").await;
    servers.until_generation(2, "on its way", |generation| reached(generation) > 0).await;
    let (mut rows, mut keeper) = (generation(&servers, 2).await, generation(&servers, 2).await);
    let mut kept = keeper.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table messages").execute(&mut *kept).await.expect("a lock");
    until(&mut rows, "select least(count(*), 1) from pg_locks where not granted", 1).await;
    sleep(KEPT).await;
    kept.rollback().await.expect("it ends");
    let mut steps: HashMap<String, DateTime<Utc>> = HashMap::new();
    loop {
        // Reads the time at which each stream's last step began.
        let began: Vec<(String, DateTime<Utc>)> =
            sqlx::query_as("select stream, updated_at from checkpoints").fetch_all(&mut rows).await.expect("positions");
        for (stream, at) in began {
            let before = steps.insert(stream, at).unwrap_or(at);
            if (at - before).to_std().is_ok_and(|apart| apart >= APART) {
                return;
            }
        }
        let state = "select state from control.generations where generation = 2";
        let state: String = sqlx::query_scalar(state).fetch_one(&mut rows).await.expect("a state");
        assert_eq!(state, "building", "it never rests");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_paused_rebuild_makes_no_progress_until_it_is_resumed() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    busy_log(&servers, 20).await;
    servers.until_generation(1, "at the end", at_the_end).await;
    servers.operated("rebuild --to ready --max-rate 20 --priority low --detach --yes").await;
    servers.until_generation(2, "on its way", |generation| reached(generation) > 0).await;
    assert_eq!(servers.operated("pause").await["generation"], 2);
    assert_eq!(servers.operate("pause").await.0, 3);
    let nobody = |generation: &Value| {
        let streams = generation["streams"].as_array().cloned().unwrap_or_default();
        streams.iter().all(|stream| stream["holder"].is_null())
    };
    let paused = servers.until_generation(2, "left alone", nobody).await;
    projector.is_ready().await;
    let mut control = generation(&servers, 1).await;
    until(&mut control, "select count(*) from control.leases where generation = 2", 0).await;
    let still = servers.until_generation(2, "paused", |generation| generation["paused"] == true).await;
    assert_eq!(reached(&still), reached(&paused));
    let faster = "update control.generations set max_rate = null where generation = 2";
    sqlx::raw_sql(faster).execute(&mut control).await.expect("it may go faster");
    servers.operated("resume").await;
    servers.until_generation(2, "ready", is("ready")).await;
    servers.operated("activate --unverified").await;
    servers.until_generation(2, "active", is("active")).await;
}

#[tokio::test]
async fn one_of_two_concurrent_rebuild_requests_is_refused() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    projector.is_ready().await;
    busy_log(&servers, 0).await;
    let words = "rebuild --to ready --max-rate 10 --detach --yes";
    let (one, other) = tokio::join!(servers.operate(words), servers.operate(words));
    let mut codes = [one.0, other.0];
    codes.sort_unstable();
    assert_eq!(codes, [0, 3], "{one:?} {other:?}");
    let (one, other) = tokio::join!(servers.operate("retire 2 --yes"), servers.operate("retire 2 --yes"));
    let mut codes = [one.0, other.0];
    codes.sort_unstable();
    assert_eq!(codes, [0, 3], "{one:?} {other:?}");
    servers.operated("rebuild --yes").await;
}

#[tokio::test]
async fn the_generation_of_a_new_version_is_activated_automatically_beside_the_old_one() {
    let servers = Servers::start().await;
    let projector = servers.projector("old").await;
    busy_log(&servers, 5).await;
    servers.until_generation(1, "at the end", at_the_end).await;
    projector.process.kill().await;
    drop(projector);
    // Simulates a generation of another build.
    let mut control = generation(&servers, 1).await;
    let sql = "update control.generations set model_version = 'former', state = 'active' where generation = 1";
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut control).await.expect("the version is changed");
    let projector = servers.projector("new").await;
    projector.is_ready().await;
    let taken_over = servers.until_generation(2, "active", is("active")).await;
    assert_eq!(taken_over["verification"]["outcome"], "skipped", "there is nothing of its version to compare it with");
    let former = servers.until_generation(1, "still served", is("active")).await;
    assert_eq!(former["model_version"], "former");
    same_tables(&servers, 1, 2).await;
    servers.operated("retire 1 --yes").await;
}
