//! Crashes of the notifier and of its servers: no alarm is lost, and no push message is sent more than once too often.

use std::{collections::BTreeMap, time::Duration};

use harness::{ServiceId, StackOptions};
use push_sink::{Behaviour, Service};
use rand::RngExt;
use system_tests::pushes::{PushProviders, alarms, data, register_phone, until_all_sent};
use testing::wait::until_within;

/// The number of crashes.
const CRASHES: usize = 12;

/// The number of messages between two crashes.
const MESSAGES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_notifier_loses_no_alarm_and_repeats_each_push_at_most_once() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    // Long enough that crashes hit calls.
    providers.behave(Service::Fcm, Behaviour { hang_ms: Some(60), ..Behaviour::default() });
    let mut posted = 0;
    for _ in 0..CRASHES {
        for _ in 0..MESSAGES {
            ben.say(&room, "@ana").await.created();
            posted += 1;
            tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..250))).await;
        }
        world.stack.kill(ServiceId::Notifier(0)).await;
        world.stack.spawn(ServiceId::Notifier(0)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..1_500))).await;
    }
    let told = || {
        let mut told: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        for push in providers.accepted(Service::Fcm, &phone) {
            let id = data(&push)["push_id"].as_str().unwrap_or_default().to_owned();
            let (count, times) = told.entry(id).or_default();
            *count = alarms(&push);
            *times += 1;
        }
        told
    };
    let is_told = async || told().values().map(|(count, _)| count).sum::<u64>() >= posted;
    until_within(Duration::from_secs(40), "all alarms are told", is_told).await;
    // A push message may still be repeated.
    until_all_sent(&world).await;
    let told = told();
    let repeated: Vec<_> = told.iter().filter(|(_, (_, times))| *times > 1).collect();
    eprintln!("{posted} alarms in {} push messages, {} of them repeated", told.len(), repeated.len());
    assert!(repeated.iter().all(|(_, (_, times))| *times == 2), "{repeated:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_are_told_after_crashes_of_the_servers() {
    let providers = PushProviders::start().await;
    let world = providers.world(2, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::Fcm, &phone, 1).await;

    world.stack.postgres().kill().await;
    ben.say(&room, "@ana").await.created();
    world.stack.postgres().start_again().await.unwrap();
    providers.until_accepted(Service::Fcm, &phone, 2).await;

    ben.say(&room, "@ana").await.created();
    world.stack.nats().kill().await;
    world.stack.nats().start_again().await.unwrap();
    providers.until_accepted(Service::Fcm, &phone, 3).await;

    // The other one takes over.
    world.stack.kill(ServiceId::Notifier(0)).await;
    ben.say(&room, "@ana").await.created();
    let pushed = providers.until_accepted(Service::Fcm, &phone, 4).await;
    assert_eq!(pushed.len(), 4, "each alarm is told once");
}
