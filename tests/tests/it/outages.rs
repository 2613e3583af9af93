//! Outages of a server: what does not need it continues, and no service has to be restarted.

use std::time::{Duration, Instant};

use harness::{ServiceId, StackOptions};
use serde_json::Value;
use system_tests::World;
use testing::{Answer, wait::eventually};

const COMMAND: ServiceId = ServiceId::Command(0);
const PROJECTOR: ServiceId = ServiceId::Projector(0);
const QUERY: ServiceId = ServiceId::Query(0);

/// The time limit of an answer during an outage.
const QUICK: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn commands_continue_without_postgres_and_reads_catch_up_when_it_is_back() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    let mut live = world.follow(&ana, &room, 0).await;
    let pids = pids(&world).await;

    for (round, crash) in [(1, false), (2, true)] {
        if crash {
            world.stack.postgres().kill().await;
        } else {
            world.stack.postgres().stop().await;
        }
        let mut newest = String::new();
        for number in 0..20 {
            newest = ana.say(&room, &format!("message {number} of {round}")).await.created();
        }
        let asked = Instant::now();
        try_later(&ana.get("/boxes").await, "database-unavailable");
        assert!(asked.elapsed() < QUICK, "an answer after {:?}", asked.elapsed());
        eventually("query-service and projector report the missing database", async || {
            let (query, projector) = (missing(&world, QUERY).await, missing(&world, PROJECTOR).await);
            (!query.is_empty() && !projector.is_empty()).then_some(())
        })
        .await;
        assert_eq!(missing(&world, COMMAND).await, Vec::<String>::new(), "commands do not need the database");

        world.stack.postgres().start_again().await.unwrap();
        let history = format!("/rooms/{room}/messages?limit=200");
        let messages = eventually("reads catch up", async || {
            let answer = ana.get(&history).await;
            (answer.status == 200).then(|| answer.items())
        })
        .await;
        assert_eq!(messages.len(), 20 * round);
        assert_eq!(messages[0]["message_id"], newest);
        live.message(&room, &format!("message 19 of {round}")).await;
    }
    all_is_well(&world, &pids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_continue_without_nats_and_everything_else_when_it_is_back() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    let mut live = world.follow(&ana, &room, 0).await;
    let pids = pids(&world).await;

    for crash in [false, true] {
        let before = format!("before {crash}");
        ana.say(&room, &before).await.created();
        live.message(&room, &before).await;
        if crash {
            world.stack.nats().kill().await;
        } else {
            world.stack.nats().stop().await;
        }
        let interrupted = format!("during {crash}");
        let say = ana.say(&room, &interrupted);
        let asked = Instant::now();
        try_later(&say.clone().await, "log-unavailable");
        assert!(asked.elapsed() < QUICK, "an answer after {:?}", asked.elapsed());
        assert_eq!(ana.get(&format!("/rooms/{room}")).await.ok()["status"], "open");
        assert_eq!(ana.get(&format!("/rooms/{room}/messages")).await.items()[0]["body"], before);
        assert!(!missing(&world, COMMAND).await.is_empty(), "the command-service reports the missing log");

        world.stack.nats().start_again().await.unwrap();
        eventually("the same command succeeds", async || {
            let answer = say.clone().await;
            (answer.status == 201).then(|| answer.created())
        })
        .await;
        live.message(&room, &interrupted).await;
        let said_once = world.feed(&ana, &room).await;
        let said_once = said_once.iter().filter(|event| event["data"]["body"] == interrupted.as_str());
        assert_eq!(said_once.count(), 1);
    }
    ana.say(&room, "all goes on").await.created();
    live.message(&room, "all goes on").await;
    all_is_well(&world, &pids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_cannot_show_a_write_yet_is_refused() {
    let world = World::start(StackOptions::default()).await;
    let (ana, other) = (world.person("ana"), world.person("other"));
    let room = world.open_room(&ana, "box-1", 2).await;
    let mut live = world.follow(&ana, &room, 0).await;
    world.stack.stop(PROJECTOR).await;
    ana.say(&room, "written").await.created();
    let asked = Instant::now();
    let answer = ana.get(&format!("/rooms/{room}/messages")).await;
    try_later(&answer, "not-yet-projected");
    assert!(answer.json()["detail"].to_string().contains("behind"), "{answer}");
    assert!(asked.elapsed() > Duration::from_secs(1) && asked.elapsed() < QUICK, "after {:?}", asked.elapsed());
    assert_eq!(other.get(&format!("/rooms/{room}")).await.ok()["v"], 1, "a reader without writes does not wait");

    world.stack.start_again(PROJECTOR).await.unwrap();
    live.message(&room, "written").await;
    assert_eq!(ana.get(&format!("/rooms/{room}/messages")).await.items().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_before_their_servers_and_become_ready_by_themselves() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    for service in [COMMAND, PROJECTOR, QUERY] {
        let asked = Instant::now();
        let status = world.stack.stop(service).await.unwrap();
        assert!(status.success(), "{service} exits gracefully: {status}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{service} took {:?} to stop", asked.elapsed());
    }
    world.stack.postgres().stop().await;
    world.stack.nats().stop().await;

    for service in [COMMAND, PROJECTOR, QUERY] {
        world.stack.spawn(service).await.unwrap();
    }
    for service in [COMMAND, PROJECTOR, QUERY] {
        eventually("the service is alive and not ready", async || {
            let page = |name| format!("{}/{name}", world.stack.url(service));
            let alive = world.request(reqwest::Method::GET, &page("healthz")).send().await.ok()?;
            let ready = world.request(reqwest::Method::GET, &page("readyz")).send().await.ok()?;
            (alive.status() == 200 && ready.status() == 503).then_some(())
        })
        .await;
    }
    let pids = pids(&world).await;
    world.stack.nats().start_again().await.unwrap();
    world.stack.postgres().start_again().await.unwrap();
    all_is_well(&world, &pids).await;
    ana.say(&room, "good morning").await.created();
    assert_eq!(ana.get(&format!("/rooms/{room}/messages")).await.items().len(), 1);
}

/// Checks that the answer is a refusal with this code and a `Retry-After`.
fn try_later(answer: &Answer, code: &str) {
    answer.refused(503, code);
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{answer}: {seconds:?}");
}

async fn pids(world: &World) -> Vec<Option<i32>> {
    let mut pids = Vec::new();
    for service in [COMMAND, PROJECTOR, QUERY] {
        pids.push(world.stack.pid(service).await);
    }
    pids
}

/// Waits until every service is ready, and checks that they are the same processes.
async fn all_is_well(world: &World, before: &[Option<i32>]) {
    for service in [COMMAND, PROJECTOR, QUERY] {
        eventually(&format!("{service} is ready"), async || missing(world, service).await.is_empty().then_some(()))
            .await;
    }
    assert_eq!(pids(world).await, before, "no service was restarted");
}

/// The dependencies that a service reports as missing.
async fn missing(world: &World, service: ServiceId) -> Vec<String> {
    let url = format!("{}/readyz", world.stack.url(service));
    let response = world.request(reqwest::Method::GET, &url).send().await.unwrap();
    let status = response.status();
    let readiness: Value = response.json().await.unwrap();
    let checks = readiness["checks"].as_array().unwrap();
    let missing: Vec<_> =
        checks.iter().filter(|check| check["ok"] != true).map(|check| check["name"].to_string()).collect();
    let able = checks.iter().all(|check| check["ok"] == true || check["required"] == false);
    assert_eq!((status == 200, &readiness["ready"]), (able, &able.into()), "{readiness:#}");
    missing
}
