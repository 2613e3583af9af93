//! Rebuilds of the read model, with the switch to the new one and back, under a continuous load.

mod load;

use std::{ops::Range, time::Duration};

use harness::{Role, ServiceId, StackOptions};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::World;
use testing::wait::eventually;

use self::load::{Load, Took};

/// The additional delay that is allowed while reads switch over.
const STALL: Duration = Duration::from_millis(100);

/// The number of switches. A stall of the services shows in most of them, other load of the machine in few.
const SWITCHES: usize = 5;

/// The interval of each user's messages and reads.
const BUSY: Duration = Duration::from_millis(20);

/// The interval during a throttled rebuild, which must still catch up with half of its rate in each projector.
const CALM: Duration = Duration::from_millis(80);

async fn start() -> World {
    World::start(StackOptions { command_services: 2, projectors: 2, query_services: 2, ..StackOptions::default() })
        .await
}

/// Runs an operator's command, which must succeed. Returns its last line.
async fn operated(world: &World, words: &str) -> Value {
    let output = world.stack.operate(&format!("{words} --json")).await.unwrap();
    assert!(output.status.success(), "{words}: {output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap()
}

/// The status of one generation, or none while there is no answer.
async fn generation(world: &World, number: i32) -> Option<Value> {
    let output = world.stack.operate("status --json").await.unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).ok()?;
    status["generations"].as_array()?.iter().find(|found| found["generation"] == number).cloned()
}

async fn until(world: &World, number: i32, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("generation {number} is {what}"), async || generation(world, number).await.filter(&holds)).await
}

fn reached(generation: &Value) -> u64 {
    generation["streams"].as_array().into_iter().flatten().filter_map(|stream| stream["position"].as_u64()).sum()
}

fn at_the_end(generation: &Value) -> bool {
    generation["streams"].as_array().is_some_and(|streams| streams.iter().all(|stream| stream["lag"] == 0))
}

/// Checks that two generations have the same rows, once both are at the end.
async fn same_tables(world: &World, one: i32, other: i32) {
    for number in [one, other] {
        until(world, number, "at the end", at_the_end).await;
    }
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let names = format!("select table_name::text from information_schema.tables where table_schema = 'read_g{one}'");
    let names: Vec<String> = sqlx::query_scalar(AssertSqlSafe(names)).fetch_all(&mut database).await.unwrap();
    assert!(names.len() > 10);
    for table in names {
        // Only the time of a checkpoint's update may differ.
        let rows = |number| format!("select (to_jsonb(t) - 'updated_at')::text as row from read_g{number}.{table} t");
        let (one, other) = (rows(one), rows(other));
        let differing = format!(
            "select count(*) from (({one} except all {other}) union all ({other} except all {one})) as differing"
        );
        let differing: i64 = sqlx::query_scalar(AssertSqlSafe(differing)).fetch_one(&mut database).await.unwrap();
        assert_eq!(differing, 0, "in {table}");
    }
}

/// Runs an operator's command and waits for further messages. Returns the period, for the statistics of that time.
async fn watched(world: &World, load: &Load<'_>, words: &str) -> Range<Duration> {
    let begin = load.now();
    operated(world, words).await;
    load.until_said_more(40).await;
    begin..load.now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_under_load_fails_no_request_and_delays_no_client() {
    let world = start().await;
    let load = Load::prepare(&world, 2, BUSY).await;
    let story = async {
        load.until_said(300).await;
        let rebuild = watched(&world, &load, "rebuild --yes").await;
        let (mut quiet, mut switches) = (Vec::new(), Vec::new());
        for _ in 0..SWITCHES {
            // The same work for the machine, but without a switch.
            quiet.push(watched(&world, &load, "status").await);
            switches.push(watched(&world, &load, "rollback").await);
        }
        load.stop();
        (rebuild, quiet, switches)
    };
    let (rebuild, quiet, switches) = load.run(story).await;
    let failures = load.failures();
    assert!(failures.is_empty(), "{} of {} requests failed: {failures:?}", failures.len(), load.requests());
    eprintln!("{} requests, 0 failed; {} messages said", load.requests(), load.said());
    let (reads, frames) = (|phase: &Range<Duration>| load.reads(phase), |phase: &Range<Duration>| load.frames(phase));
    for (what, took) in [("reads", &reads as &dyn Fn(&Range<Duration>) -> Took), ("frames", &frames)] {
        let worst = |phases: &[Range<Duration>]| {
            let mut worst: Vec<Duration> = phases.iter().map(|phase| took(phase).worst).collect();
            worst.sort_unstable();
            worst
        };
        let (quiet, switches) = (worst(&quiet), worst(&switches));
        eprintln!("{what}: {} while rebuilding; worst of each time otherwise {quiet:.0?}", took(&rebuild));
        eprintln!("{what}: worst of each switch {switches:.0?}");
        // The delay must exceed the machine's own stalls.
        let (usual, otherwise) = (switches[SWITCHES / 2], quiet[SWITCHES - 1]);
        assert!(usual < otherwise + STALL, "{what} stalled: {switches:?} instead of {quiet:?}");
    }
    load.assert_all_messages_are_delivered().await;
    same_tables(&world, 1, 2).await;
    let standby = if SWITCHES.is_multiple_of(2) { 1 } else { 2 };
    operated(&world, &format!("retire {standby} --yes")).await;
    until_dropped(&world, standby).await;
}

async fn until_dropped(world: &World, number: i32) {
    eventually("its tables are dropped", async || generation(world, number).await.is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_completes_although_processes_are_killed() {
    let world = start().await;
    let load = Load::prepare(&world, 2, CALM).await;
    let story = async {
        load.until_said(200).await;
        let build = operated(&world, "rebuild --yes --max-rate 150");
        let failures = async {
            let mut before = 0;
            for disaster in 0..3 {
                // Before the next failure the rebuild must progress.
                let further = |found: &Value| found["state"] != "building" || reached(found) > before + 40;
                before = reached(&until(&world, 2, "further", further).await);
                match disaster {
                    0 => {
                        world.stack.kill(ServiceId::Projector(0)).await;
                        world.stack.start_again(ServiceId::Projector(0)).await.unwrap();
                    }
                    1 => {
                        world.stack.postgres().kill().await;
                        world.stack.postgres().start_again().await.unwrap();
                    }
                    _ => {
                        world.stack.nats().kill().await;
                        world.stack.nats().start_again().await.unwrap();
                    }
                }
                let after = reached(&until(&world, 2, "there again", |_| true).await);
                assert!(after + 200 > before, "the rebuild started again: {before} {after}");
            }
        };
        let (rebuilt, ()) = tokio::join!(build, failures);
        assert_eq!(rebuilt["state"], "active");
        load.until_said_more(50).await;
        load.stop();
    };
    load.run(story).await;
    load.assert_all_messages_are_delivered().await;
    same_tables(&world, 1, 2).await;
    eprintln!(
        "{} messages said, {} requests, {} failed while servers were away",
        load.said(),
        load.requests(),
        load.failures().len()
    );
}
