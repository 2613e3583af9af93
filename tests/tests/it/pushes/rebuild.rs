//! A rebuild of the read model, and switches to and from it, while users are alarmed.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use harness::StackOptions;
use push_sink::Service;
use system_tests::{
    Person,
    pushes::{PushProviders, alarms, data, register_phone},
};
use testing::wait::until_within;
use tokio::time::sleep;

/// The interval of the mentions in each room.
const INTERVAL: Duration = Duration::from_millis(40);

/// The number of switches after the rebuild.
const SWITCHES: usize = 3;

/// Mentions ana until it is stopped. Returns the number of mentions.
async fn mention(author: &Person, room: &str, stop: &AtomicBool) -> u64 {
    let mut mentions = 0;
    while !stop.load(Ordering::Relaxed) {
        author.say(room, &format!("@ana {mentions}")).await.created();
        mentions += 1;
        sleep(INTERVAL).await;
    }
    mentions
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alarm_is_told_once_while_generations_are_activated() {
    let providers = PushProviders::start().await;
    let world = providers.world(2, StackOptions { projectors: 2, ..StackOptions::default() }).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let mut rooms = Vec::new();
    for box_id in ["box-1", "box-2", "box-3"] {
        let room = world.open_room(&ana, box_id, 4).await;
        world.join(&ben, &room).await;
        rooms.push(room);
    }
    let stop = AtomicBool::new(false);
    let mentions = futures::future::join_all(rooms.iter().map(|room| mention(&ben, room, &stop)));
    let switches = async {
        for words in std::iter::once("rebuild --yes").chain(["rollback"; SWITCHES]) {
            sleep(25 * INTERVAL).await;
            let output = world.stack.operate(words).await.unwrap();
            assert!(output.status.success(), "{words}: {output:?}");
        }
        sleep(25 * INTERVAL).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (mentions, ()) = tokio::join!(mentions, switches);
    let posted: u64 = mentions.iter().sum();
    let told = || providers.accepted(Service::Fcm, &phone).iter().map(alarms).sum::<u64>();
    until_within(Duration::from_secs(40), "all alarms are told", async || told() >= posted).await;
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for push in providers.accepted(Service::Fcm, &phone) {
        *times.entry(data(&push)["push_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    eprintln!("{posted} alarms in {} push messages", times.len());
    assert_eq!((told(), times.values().max()), (posted, Some(&1)), "{times:?}");
}
