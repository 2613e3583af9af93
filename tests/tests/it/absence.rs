//! A user who was away for hours gets all missed events, at the client's own pace.

use std::time::{Duration, Instant};

use harness::{ServiceId, StackOptions};
use serde_json::json;
use system_tests::{
    Listener, Live, World,
    memory::{peak_resident, resident},
};
use testing::wait::eventually;
use tokio::time::sleep;

const QUERY: ServiceId = ServiceId::Query(0);

/// The number of missed commits and, in each, of pairs of events.
const COMMITS: usize = 500;
const TIMES: usize = 100;
const MISSED: u64 = 100_000;

/// The number of events after which the reader pauses, and the length of the pause.
const BREATH: u64 = 10_000;
const REST: Duration = Duration::from_millis(500);

/// The limit on the service's growth during the recovery, in KiB. The missed events are twenty times that.
const GROWTH: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_missed_events_are_replayed_in_order_with_bounded_memory() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let mut seen = world.follow(&ben, &room, 0).await;
    let said = ana.say(&room, "see you in three hours").await.created();
    seen.until_version(&room, 3).await;
    drop(seen);
    let mut heard = Listener::open(&world, 0, &ben, &[&room], None).await;
    heard.until("subscription", |frame| frame["type"] == "subscribed").await;
    ana.put(format!("/rooms/{room}/messages/{said}/reactions/%F0%9F%91%8D"), json!({})).await.done();
    heard.until("reaction", |frame| frame["type"] == "reaction_added").await;
    let last_id = heard.last_id().to_owned();
    drop(heard);

    let begin = Instant::now();
    world.log().await.repeat_reaction("box-1", COMMITS, TIMES).await;
    let last_v = 4 + MISSED;
    eventually("everything is projected", async || {
        let card = ana.get(&format!("/rooms/{room}")).await.ok();
        (card["v"] == last_v).then_some(())
    })
    .await;

    let written = begin.elapsed();
    let before = resident(&world.stack, QUERY).await;
    let catching_up = async {
        let mut live = Live::connect_narrow(&world.stack.query_url(0)).await;
        live.hello(ben.token(), &[(&room, Some(3))]).await;
        assert_eq!(live.subscribed(&room).await["recovered"], true);
        for goal in (BREATH..=MISSED).step_by(usize::try_from(BREATH).unwrap()) {
            live.until_version(&room, goal).await;
            live.clear_frames();
            sleep(REST).await;
        }
        ana.say(&room, "there you are").await.created();
        live.message(&room, "there you are").await;
        assert_eq!(live.version(&room), last_v + 1);
    };
    let listening = async {
        let mut again = Listener::open(&world, 0, &ben, &[&room], Some(&last_id)).await;
        for v in 5..=last_v {
            let event = again.until("the next event", |frame| frame["v"].is_u64()).await;
            let kind = if v % 2 == 0 { "reaction_added" } else { "reaction_removed" };
            assert_eq!((&event["v"], &event["type"]), (&json!(v), &json!(kind)));
            again.clear_frames();
        }
    };
    let reading = Instant::now();
    let both = Box::pin(async { tokio::join!(catching_up, listening).0 });
    let (most, ()) = Box::pin(peak_resident(&world.stack, QUERY, both)).await;
    let read = reading.elapsed();
    eprintln!("{MISSED} events, written in {written:?}, read by two in {read:?}: {before} KiB before, {most} at most");
    assert!(most < before + GROWTH, "the service grew from {before} to {most} KiB");
}
