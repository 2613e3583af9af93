//! A receiver that is down while more events wait than are planned at a time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::join_all;
use harness::StackOptions;
use serde_json::{Value, json};
use testing::wait::until_within;

use super::{add, done, receiver::Receiver, show, world};

/// The boxes, and the reactions that are removed and added on each.
const BOXES: usize = 64;
const COMMITS: usize = 33;
const TIMES: usize = 5;

/// The events of reactions on each box.
const EVENTS: usize = COMMITS * TIMES * 2;

/// The events that are planned at a time.
const MAX_PENDING: u64 = 20_000;

/// The time for each command of an operator.
const PROMPT: Duration = Duration::from_secs(2);

/// The time for everything to arrive.
const ARRIVAL: Duration = Duration::from_secs(150);

/// Runs a command that is answered promptly.
async fn promptly(world: &system_tests::World, words: &[&str]) -> Value {
    let begun = Instant::now();
    let answer = done(world, words).await;
    let took = begun.elapsed();
    eprintln!("{words:?} took {took:?}");
    assert!(took < PROMPT, "{words:?} took {took:?}");
    answer
}

/// The place of an event in the log: the sequence of its commit, and its number in it.
fn place(event: &Value) -> (u64, u64) {
    let mut parts = event["id"].as_str().unwrap().split('.').skip(2).map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_answered_while_twenty_thousand_events_wait_and_all_arrive_in_order() {
    // All boxes are in one stream.
    let world = world(StackOptions { partitions: 1, ..StackOptions::default() }).await;
    let ana = world.person("ana");
    let boxes: Vec<String> = (0..BOXES).map(|number| format!("box-{number}")).collect();
    for box_id in &boxes {
        let room = world.open_room(&ana, box_id, 2).await;
        let message = ana.say(&room, "hello").await.created();
        let reaction = format!("/rooms/{room}/messages/{message}/reactions/%F0%9F%91%8D");
        ana.put(reaction, json!({})).await.done();
    }
    let mut receiver = Receiver::start().await;
    let webhook = add(&world, &receiver, "reaction_added,reaction_removed").await;
    receiver.stop().await;
    let log = world.log().await;
    join_all(boxes.iter().map(|box_id| log.repeat_reaction(box_id, COMMITS, TIMES))).await;
    let waiting = async |kind: &str| {
        let shown = show(&world, &webhook).await;
        shown[kind]["waiting"].as_u64().unwrap() >= MAX_PENDING - 1_000
    };
    until_within(ARRIVAL, "the events wait", async || waiting("live").await).await;

    let shown = promptly(&world, &["webhook", "show", &webhook]).await;
    assert!(shown["live"]["waiting"].as_u64() < Some(MAX_PENDING + 5_000), "{shown}");
    promptly(&world, &["webhook", "pause", &webhook]).await;
    promptly(&world, &["webhook", "resume", &webhook]).await;
    // A replay of everything, and then one of the end that replaces it.
    let position = shown["progress"][0]["position"].as_str().unwrap();
    let (incarnation, planned) = position.rsplit_once('.').unwrap();
    let planned: u64 = planned.parse().unwrap();
    let from = |sequence: u64| format!("{incarnation}.{sequence}");
    promptly(&world, &["webhook", "replay", &webhook, "--from-position", &from(1)]).await;
    until_within(ARRIVAL, "the replayed events wait", async || waiting("replayed").await).await;
    promptly(&world, &["webhook", "show", &webhook]).await;
    promptly(&world, &["webhook", "pause", &webhook]).await;
    promptly(&world, &["webhook", "resume", &webhook]).await;
    let replayed = planned - 5;
    promptly(&world, &["webhook", "replay", &webhook, "--from-position", &from(replayed)]).await;

    receiver.start_again().await;
    let begun = Instant::now();
    let all = BOXES * EVENTS;
    until_within(ARRIVAL, "all events arrive", async || receiver.accepted() >= all).await;
    eprintln!("{all} events arrived in {:?}", begun.elapsed());
    let mut by_box: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for event in receiver.first_accepted() {
        by_box.entry(event["subject"].as_str().unwrap().to_owned()).or_default().push(place(&event));
    }
    for (box_id, mut places) in by_box {
        assert_eq!(places.len(), EVENTS, "{box_id}");
        // The replay is not in order with the live events.
        places.retain(|(sequence, _)| *sequence < replayed);
        assert!(places.is_sorted(), "{box_id}: {places:?}");
    }
    assert_eq!(receiver.unverified(), 0);
}
