//! Web Push endpoints that hang, at a host that their users have chosen.

use std::collections::BTreeSet;

use harness::{ServiceId, StackOptions};
use push_sink::{Behaviour, Received, Service};
use system_tests::pushes::{PushProviders, register_browser};
use testing::wait::eventually;

/// The number of devices of each user at the slow host, the maximum.
const DEVICES: usize = 10;

/// The maximum number of calls at a time, and the shares of a host and of a user.
const CONCURRENCY: usize = 8;
const OF_HOST: usize = 2;
const OF_USER: usize = 1;

/// Less than the timeout of a call: calls that begin within this time are concurrent.
const CONCURRENT_MS: u64 = 2_500;

/// Returns the greatest number of calls at a time.
fn most_concurrent<'a>(calls: impl Iterator<Item = &'a Received>) -> usize {
    let begins: Vec<u64> = calls.map(|call| call.at_ms).collect();
    let with = |begin: u64| begins.iter().filter(|at| (begin..begin + CONCURRENT_MS).contains(at)).count();
    begins.iter().map(|begin| with(*begin)).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_host_delays_only_the_push_messages_to_it() {
    let (providers, slow) = (PushProviders::start().await, PushProviders::start().await);
    providers.trust(&slow);
    let env = vec![(ServiceId::Notifier(0), "BOXROOM_PUSH_CONCURRENCY", CONCURRENCY.to_string())];
    let world = providers.world(1, StackOptions { env, ..StackOptions::default() }).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let browser = register_browser(&ana, "laptop", &providers).await;
    let room = world.open_room(&ben, "box-1", 8).await;
    world.join(&ana, &room).await;
    let mut of_users = Vec::new();
    for id in ["max", "moritz"] {
        let user = world.user(id).await;
        world.join(&user, &room).await;
        let mut browsers = BTreeSet::new();
        for device in 0..DEVICES {
            browsers.insert(register_browser(&user, &format!("device-{device}"), &slow).await);
        }
        of_users.push(browsers);
    }
    slow.behave(Service::WebPush, Behaviour { hang_ms: Some(60_000), ..Behaviour::default() });
    ben.say(&room, "@max and @moritz").await.created();
    let calls = || slow.sink().received(Service::WebPush);
    eventually("the slow host is busy", async || (calls().len() >= OF_HOST).then_some(())).await;
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::WebPush, &browser, 1).await;
    assert!(calls().len() < of_users.len() * DEVICES, "ana waited for {} calls", calls().len());
    eventually("further calls", async || (calls().len() >= 3 * OF_HOST).then_some(())).await;
    let calls = calls();
    assert!(most_concurrent(calls.iter()) <= OF_HOST, "{calls:?}");
    for browsers in of_users {
        assert!(most_concurrent(calls.iter().filter(|call| browsers.contains(&call.target))) <= OF_USER, "{calls:?}");
    }
}
