//! Slow mode: a member posts once in a time, over any connection and at any instance.

use futures::future::join_all;
use serde_json::json;
use system_tests::{Person, World};
use testing::{Answer, wait::eventually};

/// Ana hosts a room with ben, on two command-services.
async fn room() -> (World, Person, Person, String) {
    let world = World::start_doubled().await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 9).await;
    world.join(&ben, &room).await;
    (world, ana, ben, room)
}

async fn set(person: &Person, room: &str, seconds: u32) -> Answer {
    person.put(format!("/rooms/{room}/slow-mode"), json!({ "seconds": seconds })).await
}

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_messages_passes() {
    let (world, ana, ben, room) = room().await;
    set(&ana, &room, 600).await.done();
    let view = ana.get(&format!("/rooms/{room}")).await.ok();
    assert_eq!(view["slow_mode_seconds"], 600);
    let eve = world.person("eve");
    world.join(&eve, &room).await;
    let answers = join_all((0..40).map(|number| {
        let person = if number % 2 == 0 { &ben } else { &eve };
        person.say(&room, &format!("message {number}")).via(number / 2).into_future()
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2, "one of each member");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.refused(429, "slow-mode");
        assert!((590..=602).contains(&retry_after(refused)), "{refused}");
    }
    answers.iter().filter(|answer| answer.status == 201).for_each(|answer| ana.remember_position(answer));
    assert_eq!(ana.get(&format!("/rooms/{room}/messages")).await.items().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_limits_new_messages_of_members_only() {
    let (_world, ana, ben, room) = room().await;
    set(&ana, &room, 600).await.done();
    let said = ben.say(&room, "first").key("first").await.created();
    let repeat = ben.say(&room, "first").key("first").via(1).await;
    assert_eq!((repeat.created(), repeat.is_replay()), (said.clone(), true));
    ben.say(&room, "second").await.refused(429, "slow-mode");
    let path = format!("/rooms/{room}/messages/{said}");
    ben.patch(&*path, json!({ "body": "edited" })).await.done();
    ben.put(format!("{path}/reactions/%F0%9F%91%8D"), json!({})).await.done();
    for text in ["one", "two"] {
        ana.say(&room, text).await.created();
    }
    ana.put(format!("/rooms/{room}/co-hosts/ben"), json!({})).await.done();
    ben.say(&room, "as a co-host").await.created();
    ana.delete(format!("/rooms/{room}/co-hosts/ben")).await.done();
    ben.say(&room, "as a member").via(1).await.refused(429, "slow-mode");
    set(&ana, &room, 0).await.done();
    ben.say(&room, "without slow mode").await.created();
    set(&ben, &room, 5).await.refused(403, "not-the-host");
    for bad in [json!({ "seconds": 21_601 }), json!({ "seconds": -1 }), json!({ "seconds": null }), json!({})] {
        ana.put(format!("/rooms/{room}/slow-mode"), bad).await.refused(422, "invalid-body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_message_passes_after_the_time() {
    let (_world, ana, ben, room) = room().await;
    set(&ana, &room, 2).await.done();
    ben.say(&room, "first").await.created();
    let refused = ben.say(&room, "too early").via(1).await;
    refused.refused(429, "slow-mode");
    assert!((1..=2).contains(&retry_after(&refused)), "{refused}");
    eventually("the next message passes", async || {
        let answer = ben.say(&room, "second").await;
        if answer.status == 201 {
            return Some(());
        }
        answer.refused(429, "slow-mode");
        None
    })
    .await;
    let messages = ana.get(&format!("/rooms/{room}/messages")).await.items();
    let times: Vec<_> = messages.iter().map(|message| message["posted_at"].as_str().unwrap().to_owned()).collect();
    let times: Vec<chrono::DateTime<chrono::Utc>> = times.iter().map(|time| time.parse().unwrap()).collect();
    assert_eq!(times.len(), 2);
    assert!((times[0] - times[1]).abs() >= chrono::TimeDelta::seconds(2), "{times:?}");
}
