//! The warning that a room closes soon.

use harness::StackOptions;
use push_sink::{Received, Service};
use serde_json::json;
use system_tests::pushes::{PushProviders, data, register_phone};
use testing::wait::eventually;

/// The warnings among the push messages to a phone.
fn warnings(providers: &PushProviders, phone: &str) -> Vec<Received> {
    let mut pushed = providers.accepted(Service::Fcm, phone);
    pushed.retain(|push| data(push)["kind"] == "closing_soon");
    pushed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_warned_once_before_each_end_of_a_room() {
    let providers = PushProviders::start().await;
    let world = providers.world(2, StackOptions { command_services: 2, ..StackOptions::default() }).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phones = [register_phone(&ana, "phone").await, register_phone(&ben, "phone").await];
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let log = world.log().await;
    for end in 1..=2 {
        log.fire_deadline("box-1").await;
        for phone in &phones {
            let is_warned = async || (warnings(&providers, phone).len() == end).then_some(());
            eventually(&format!("{phone} is warned {end} times"), is_warned).await;
            let warning = &warnings(&providers, phone)[end - 1];
            assert_eq!(warning.text().1, Some("The room closes in 10 minutes"));
        }
        ana.post(format!("/rooms/{room}/extensions"), json!({ "hours": 1 })).await.created();
        providers.expect_silence(&world, Service::Fcm, &[&phones[0]]).await;
    }
    let counts = phones.map(|phone| warnings(&providers, &phone).len());
    assert_eq!(counts, [2, 2]);
    ana.say(&room, "still here").await.created();
}
