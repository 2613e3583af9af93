//! Who is told, and who is not.

use harness::{Role, ServiceId, StackOptions};
use push_sink::{Behaviour, Service};
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool, query_scalar, raw_sql};
use system_tests::{
    Person, World,
    pushes::{PushProviders, register_phone, until_decided},
};
use testing::wait::eventually;

/// Ana and ben in a room, with a phone each. Returns the room and the tokens.
async fn two_with_phones(world: &World) -> (Person, Person, String, [String; 2]) {
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let tokens = [register_phone(&ana, "phone").await, register_phone(&ben, "phone").await];
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    (ana, ben, room, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_not_told_of_what_need_not_be_told() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben, room, [phone, other]) = two_with_phones(&world).await;
    let silent = async |what: &str| {
        providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
        eprintln!("silent: {what}");
    };
    let database = PgPool::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let skipped = async |reason: &str| {
        let last = "select reason from delivery.planned_alarms where state <> 'planned' order by position desc limit 1";
        eventually(reason, async || {
            let last: Option<Option<String>> = query_scalar(last).fetch_optional(&database).await.unwrap();
            (last.flatten().as_deref() == Some(reason)).then_some(())
        })
        .await;
        assert!(providers.accepted(Service::Fcm, &phone).is_empty(), "{reason}");
    };
    let told = async |count: usize| providers.until_accepted(Service::Fcm, &phone, count).await.len();

    ana.say(&room, "@ana").await.created();
    silent("an own message").await;
    assert!(providers.accepted(Service::Fcm, &other).is_empty());

    ana.put("/users/me/notification-preferences", json!({ "preferences": { "mention": false } })).await.done();
    ben.say(&room, "@ana").await.created();
    skipped("unwanted").await;
    ana.put("/users/me/notification-preferences", json!({ "preferences": {} })).await.done();

    ana.put(format!("/users/me/muted-rooms/{room}"), json!({})).await.done();
    ben.say(&room, "@ana").await.created();
    skipped("muted").await;
    ana.delete(format!("/users/me/muted-rooms/{room}")).await.done();

    ana.put("/users/me/blocks/ben", json!({})).await.done();
    ben.say(&room, "@ana").await.created();
    skipped("blocked").await;
    ana.delete("/users/me/blocks/ben").await.done();

    let quiet = json!({ "time_zone": "UTC", "from": "00:00", "to": "23:59" });
    ana.put("/users/me/quiet-hours", quiet).await.done();
    ben.say(&room, "@ana").await.created();
    skipped("quiet_hours").await;
    ana.delete("/users/me/quiet-hours").await.done();

    let message = ben.say(&room, "@ana").await.created();
    ana.put(format!("/rooms/{room}/read-marker"), json!({ "message_id": message })).await.done();
    skipped("read").await;

    let message = ben.say(&room, "@ana").await.created();
    ben.delete(format!("/rooms/{room}/messages/{message}")).await.done();
    silent("a deleted message").await;

    let mut screen = world.live(0).await;
    screen.hello(ana.token(), &[]).await;
    screen.subscribe("1", &room, None).await;
    screen.subscribed(&room).await;
    ben.say(&room, "@ana").await.created();
    skipped("on_screen").await;
    drop(screen);

    ben.say(&room, "@ana").await.created();
    assert_eq!(told(1).await, 1);
    ana.delete(format!("/rooms/{room}/members/ben")).await.done();
    let pushed = providers.until_accepted(Service::Fcm, &other, 1).await;
    assert_eq!(pushed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_past_is_told_after_a_rebuild_or_by_a_new_notifier() {
    let providers = PushProviders::start().await;
    let world = providers.world(2, StackOptions::default()).await;
    let (_ana, ben, room, [phone, _]) = two_with_phones(&world).await;
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::Fcm, &phone, 1).await;
    let rebuilt = world.stack.operate("rebuild --yes").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    // Its position is read from the new generation.
    ben.say(&room, "nothing new").await.created();
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    for notifier in [ServiceId::Notifier(0), ServiceId::Notifier(1)] {
        world.stack.kill(notifier).await;
        world.stack.start_again(notifier).await.unwrap();
    }
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    ben.say(&room, "@ana").await.created();
    assert_eq!(providers.until_accepted(Service::Fcm, &phone, 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_database_tells_nothing_again() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (_ana, ben, room, [phone, _]) = two_with_phones(&world).await;
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::Fcm, &phone, 1).await;
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    ben.say(&room, "@ana").await.created();
    providers.until_accepted(Service::Fcm, &phone, 2).await;
    world.stack.kill(ServiceId::Notifier(0)).await;
    // What a copy from before the second message has, and what it was sending at that time.
    let copy = "update delivery.planned_positions set position = position - 1;
                update delivery.pushes set state = 'waiting', next_at = now()";
    raw_sql(copy).execute(&mut database).await.unwrap();
    world.stack.start_again(ServiceId::Notifier(0)).await.unwrap();
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    ben.say(&room, "@ana").await.created();
    assert_eq!(providers.until_accepted(Service::Fcm, &phone, 3).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_left_meanwhile_is_told_nothing_by_a_later_attempt() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben, room, [phone, _]) = two_with_phones(&world).await;
    let tries = || providers.sink().received(Service::Fcm).iter().filter(|push| push.status == Some(503)).count();
    providers.behave(Service::Fcm, Behaviour { status: Some(503), ..Behaviour::default() });
    ben.say(&room, "@ana one").await.created();
    let last = ben.say(&room, "@ana two").await.created();
    eventually("an attempt", async || (tries() > 0).then_some(())).await;
    ana.delete(format!("/rooms/{room}/members/me")).await.done();
    ben.delete(format!("/rooms/{room}/messages/{last}")).await.done();
    until_decided(&world).await;
    providers.recover(Service::Fcm);
    providers.expect_silence(&world, Service::Fcm, &[&phone]).await;
    assert!(providers.accepted(Service::Fcm, &phone).is_empty());
}
