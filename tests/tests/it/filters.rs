//! Filters of words and links, from the operator to the stored texts.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World, world::PASSWORD};
use testing::{requests::room_details, wait::eventually};

async fn set(operator: &Person, filter: &str, kind: &str, pattern: &str, action: &str) {
    let body = json!({ "kind": kind, "pattern": pattern, "action": action });
    operator.put(format!("/filters/{filter}"), body).await.done();
}

/// Waits until both command-services refuse a text.
async fn until_refused(person: &Person, room: &str, text: &str) {
    for index in [0, 1] {
        eventually("a refusal", async || {
            let answer = person.say(room, text).via(index).await;
            (answer.code().as_deref() == Some("refused-by-filter")).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_refuses_and_masks_texts_at_every_instance() {
    let world = World::start_doubled().await;
    let (operator, ana) = (world.operator(), world.user("ana").await);
    let room = world.open_room(&ana, "box-1", 4).await;
    let early = ana.say(&room, "free soup for all").key("early").await.created();
    set(&operator, "soup", "word", "free soup*", "refuse").await;
    until_refused(&ana, &room, "FREE  soups!").await;
    set(&operator, "tea", "word", "tea", "mask").await;
    set(&operator, "evil", "link", "evil.example", "mask").await;
    set(&operator, "end", "word", "end", "refuse").await;
    // The last filter is known, so the earlier ones are.
    until_refused(&ana, &room, "the end").await;

    for tricky in ["f r e e, soup", "ＦＲＥＥ ｓｏｕｐ", "fr\u{200b}ee soup", "frее sоup"] {
        ana.say(&room, tricky).await.refused(422, "refused-by-filter");
    }
    let edit = json!({ "body": "still free soup" });
    ana.patch(format!("/rooms/{room}/messages/{early}"), edit).await.refused(422, "refused-by-filter");
    // A command that was stored before gets its first answer again.
    assert!(ana.say(&room, "free soup for all").key("early").await.is_replay());

    let said = ana.say(&room, "Tea? see www.evil.example/x").key("masked").await;
    let message = said.created();
    assert_eq!(ana.say(&room, "Tea? see www.evil.example/x").key("masked").await.created(), message);
    let shown = ana.get(&format!("/rooms/{room}/messages/{message}")).await.ok();
    assert_eq!(shown["body"], "***? see ****************/x");
    ana.patch(format!("/rooms/{room}/messages/{message}"), json!({ "body": "no tea" })).await.done();
    let shown = ana.get(&format!("/rooms/{room}/messages/{message}")).await.ok();
    assert_eq!(shown["body"], "no ***");

    operator.delete("/filters/soup").await.done();
    eventually("a removed filter", async || {
        let [one, other] = [ana.say(&room, "free soup").via(0).await, ana.say(&room, "free soup").via(1).await];
        (one.status == 201 && other.status == 201).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_and_nicknames_are_filtered() {
    let world = World::start(StackOptions::default()).await;
    let (operator, ana) = (world.operator(), world.user("ana").await);
    world.install_box("box-1").await;
    world.register_store("noodles").await;
    set(&operator, "soup", "word", "soup", "mask").await;
    set(&operator, "tea", "word", "tea", "refuse").await;
    let titled = |title: &str| {
        let mut details = room_details("noodles", 4);
        details["title"] = title.into();
        ana.post("/boxes/box-1/rooms", details)
    };
    titled("Tea time").await.refused(422, "refused-by-filter");
    // The slot of the refused room is free.
    let room = titled("Soup time").await.created();
    assert_eq!(ana.get(&format!("/rooms/{room}")).await.ok()["title"], "**** time");

    // A masked name would be that of others too.
    for name in ["Tea", "Soup"] {
        ana.patch("/users/me", json!({ "nickname": name })).await.refused(422, "refused-by-filter");
        world.register("ben", PASSWORD, name).await.refused(422, "refused-by-filter");
    }
    world.register("ben", PASSWORD, "Ben").await.created();
    // A repeat of a registration is answered as before.
    world.register("ben", PASSWORD, "Soup").await.refused(409, "user-exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_manage_filters_and_the_audit_has_them() {
    let world = World::start(StackOptions::default()).await;
    let operator = world.operator();
    for (filter, kind, pattern) in [("b", "word", "soup"), ("a", "link", "evil.example"), ("c", "word", "tea*")] {
        set(&operator, filter, kind, pattern, "mask").await;
    }
    set(&operator, "b", "word", "hot soup", "refuse").await;
    operator.delete("/filters/c").await.done();
    operator.delete("/filters/c").await.refused(404, "filter-not-found");
    let shown = |items: Vec<Value>| {
        let shown = items
            .into_iter()
            .map(|filter| json!([filter["filter_id"], filter["kind"], filter["pattern"], filter["action"]]));
        shown.collect::<Vec<_>>()
    };
    let expected = [json!(["a", "link", "evil.example", "mask"]), json!(["b", "word", "hot soup", "refuse"])];
    assert_eq!(shown(operator.get_all("/filters?limit=1").await), expected);
    for (kind, pattern) in [("word", "*"), ("word", "a*b"), ("link", "evil"), ("link", "https://evil.example")] {
        let body = json!({ "kind": kind, "pattern": pattern, "action": "mask" });
        operator.put("/filters/d", body).await.refused(422, "invalid-body");
    }
    let rebuilt = world.stack.operate("rebuild --yes").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let verified = world.stack.operate("verify").await.unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert_eq!(shown(operator.get_all("/filters").await), expected);
    let audit = world.stack.operate("audit --json --role operator").await.unwrap();
    let audit = String::from_utf8(audit.stdout).unwrap();
    assert_eq!(audit.matches("filter_set").count(), 4, "{audit}");
    assert!(audit.contains("filter_removed") && !audit.contains("evil"), "{audit}");
}
