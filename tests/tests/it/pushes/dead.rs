//! Push messages that were given up: operators list, retry and drop them, without seeing texts or tokens.

use harness::StackOptions;
use push_sink::{Behaviour, Service};
use serde_json::Value;
use system_tests::{
    World,
    pushes::{PushProviders, register_phone},
};
use testing::wait::eventually;

/// Runs a command of `boxroomctl push dead`, and returns its exit code and output.
async fn dead(world: &World, words: &[&str]) -> (i32, String) {
    let words = [&["push", "dead"], words, &["--json"]].concat();
    let output = world.stack.boxroomctl(&words).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_retry_and_drop_dead_pushes() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    providers.behave(Service::Fcm, Behaviour { status: Some(400), ..Behaviour::default() });
    let listed = async || {
        let (code, said) = dead(&world, &["list"]).await;
        (code == 0).then_some(said).filter(|said| !said.is_empty())
    };
    ben.say(&room, "@ana pepperoni").await.created();
    let said = eventually("a push message is dead", listed).await;
    assert!(!said.contains("pepperoni") && !said.contains(&phone), "{said}");
    let push: Value = serde_json::from_str(&said).unwrap();
    let id = push["push_id"].as_str().unwrap().to_owned();
    assert_eq!((&push["user_id"], &push["provider"]), (&"ana".into(), &"fcm".into()));
    assert_eq!(dead(&world, &["show", &id]).await, (0, said));

    providers.recover(Service::Fcm);
    assert_eq!(dead(&world, &["retry", &id]).await.0, 0);
    providers.until_accepted(Service::Fcm, &phone, 1).await;
    assert_eq!(dead(&world, &["retry", &id]).await.0, 3, "it is not dead any more");

    providers.behave(Service::Fcm, Behaviour { status: Some(400), ..Behaviour::default() });
    ben.say(&room, "@ana again").await.created();
    let push: Value = serde_json::from_str(&eventually("another one is dead", listed).await).unwrap();
    let id = push["push_id"].as_str().unwrap();
    assert_eq!(dead(&world, &["drop", id]).await.0, 0);
    assert_eq!(dead(&world, &["list"]).await, (0, String::new()));
    assert_eq!(dead(&world, &["show", id]).await.0, 3);
}
