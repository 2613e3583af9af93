//! What a push message says, on each provider and in each language.

use harness::{Role, ServiceId, StackOptions};
use push_sink::{Behaviour, Service};
use serde_json::{Value, json};
use sqlx::{PgPool, query_scalar};
use system_tests::pushes::{PushProviders, alarms, data, register_phone, until_decided};
use testing::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_reaches_each_device_once_in_its_language() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let apns = "a1".repeat(32);
    let tablet = json!({ "provider": "apns", "token": apns, "locale": "ko-KR" });
    ana.put("/users/me/devices/tablet", tablet).await.done();
    let browser = providers.sink().subscribe(None).unwrap();
    let subscription: Value = serde_json::to_value(&browser).unwrap();
    let laptop = json!({ "provider": "web_push", "subscription": subscription, "locale": "ko" });
    ana.put("/users/me/devices/laptop", laptop).await.done();
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let message = ben.say(&room, "@ana, soup?").await.created();

    let pushed = providers.until_accepted(Service::Fcm, &phone, 1).await;
    let (title, body) = pushed[0].text();
    assert!(title.is_some_and(|title| !title.is_empty()), "{title:?}");
    assert_eq!(body, Some("ben: @ana, soup?"));
    assert_eq!((&data(&pushed[0])["room_id"], &data(&pushed[0])["message_id"]), (&json!(room), &json!(message)));
    assert_eq!(data(&pushed[0])["kind"], "mention");
    let version = data(&pushed[0])["v"].as_str().and_then(|v| v.parse::<u64>().ok());
    assert_eq!(version, ana.get(&format!("/rooms/{room}")).await.ok()["v"].as_u64());
    let pushed = providers.until_accepted(Service::Apns, &apns, 1).await;
    assert_eq!(pushed[0].body["aps"]["badge"], 1);
    let all = || providers.sink().received(Service::WebPush);
    let pushed = eventually("a web push", async || all().into_iter().next()).await;
    assert_eq!(pushed.body["badge"], 1);
    assert_eq!((all().len(), providers.accepted(Service::Fcm, &phone).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_a_room_is_one_push_with_the_number_of_alarms() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    for number in 0..5 {
        ben.say(&room, &format!("@ana {number}")).await.created();
    }
    let pushed = providers.until_accepted(Service::Fcm, &phone, 1).await;
    let told: u64 = pushed.iter().map(alarms).sum();
    assert!(pushed.len() <= 2, "{} push messages", pushed.len());
    if told == 5 {
        assert_eq!(pushed.last().unwrap().text().1, Some("5 new notifications"));
    }
    // What failed is counted by the next one.
    providers.behave(Service::Fcm, Behaviour { status: Some(503), ..Behaviour::default() });
    ben.say(&room, "@ana again").await.created();
    let tries = || providers.sink().received(Service::Fcm).iter().filter(|push| push.status == Some(503)).count();
    eventually("an attempt", async || (tries() > 0).then_some(())).await;
    ben.say(&room, "@ana and again").await.created();
    until_decided(&world).await;
    let before = providers.accepted(Service::Fcm, &phone).len();
    providers.recover(Service::Fcm);
    let pushed = providers.until_accepted(Service::Fcm, &phone, before + 1).await;
    assert_eq!((pushed.len(), alarms(&pushed[before])), (before + 1, 2));
    let badge = &pushed[before].body["message"]["apns"]["payload"]["aps"]["badge"];
    assert_eq!(badge, 7, "{:#}", pushed[before].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_gone_is_removed_and_a_token_moves_to_its_new_owner() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phone = register_phone(&ana, "phone").await;
    register_phone(&ana, "old").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let gone = Behaviour { status: Some(404), reason: Some("UNREGISTERED".into()), ..Behaviour::default() };
    providers.behave(Service::Fcm, gone);
    ben.say(&room, "@ana").await.created();
    let devices = async || ana.get("/me").await.ok()["devices"].as_array().map(Vec::len);
    eventually("no devices", async || (devices().await == Some(0)).then_some(())).await;
    providers.recover(Service::Fcm);
    ben.say(&room, "@ana").await.created();
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;

    // Ben signs in on the phone that was Ana's.
    register_phone(&ana, "phone").await;
    let token = json!({ "provider": "fcm", "token": phone });
    let moved = ben.put("/users/me/devices/phone", token).await;
    moved.done();
    ben.remember_position(&moved);
    ben.say(&room, "@ana").await.created();
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    ana.say(&room, "@ben").await.created();
    let pushed = providers.until_accepted(Service::Fcm, &phone, 1).await;
    assert_eq!(pushed[0].text().1, Some("ana: @ben"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_registered_again_while_it_is_found_to_be_gone_is_kept() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    register_phone(&ana, "phone").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let (status, reason) = (Some(404), Some("UNREGISTERED".into()));
    providers.behave(Service::Fcm, Behaviour { status, reason, hang_ms: Some(2_000), ..Behaviour::default() });
    ben.say(&room, "@ana").await.created();
    eventually("an attempt", async || providers.sink().received(Service::Fcm).first().map(drop)).await;
    // The notifier cannot see the new token.
    world.stack.freeze(ServiceId::Projector(0)).await;
    let token = json!({ "provider": "fcm", "token": "ana-new-token", "locale": "en" });
    let registered = ana.put("/users/me/devices/phone", token).await;
    registered.done();
    ana.remember_position(&registered);
    let database = PgPool::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    eventually("the old token is gone", async || {
        let state: String = query_scalar("select state from delivery.pushes").fetch_one(&database).await.unwrap();
        (state == "gone").then_some(())
    })
    .await;
    world.stack.thaw(ServiceId::Projector(0)).await;
    providers.recover(Service::Fcm);
    ben.say(&room, "@ana").await.created();
    let pushed = providers.until_accepted(Service::Fcm, "ana-new-token", 1).await;
    assert_eq!(pushed[0].text().1, Some("ben: @ana"));
}
