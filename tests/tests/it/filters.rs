//! Filters of words and links, from the operator to the stored texts.

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
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

/// The text of messages before a filter is known, and of the first held ones.
const PROBE: &str = "buy ham";

/// Says a text until both command-services hold it back. Returns the first report.
async fn until_held(person: &Person, room: &str) -> String {
    let mut reports = Vec::new();
    for index in [0, 1] {
        let report = eventually("a held message", async || {
            let answer = person.say(room, PROBE).via(index).await;
            (answer.status == 202).then(|| answer.json()["report_id"].as_str().unwrap().to_owned())
        });
        reports.push(report.await);
    }
    reports.remove(0)
}

/// Returns the texts of a room, the newest first, without probes.
async fn texts(person: &Person, room: &str) -> Vec<Value> {
    let page = person.get(&format!("/rooms/{room}/messages?limit=100")).await.ok();
    let texts = page["items"].as_array().unwrap().iter().map(|message| message["body"].clone());
    texts.filter(|text| text != PROBE).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_message_is_posted_when_a_moderator_publishes_it() {
    let world = World::start_doubled().await;
    let (operator, ana, ben) = (world.operator(), world.user("ana").await, world.user("ben").await);
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let first = ana.say(&room, "who is hungry?").await.created();
    set(&operator, "ham", "word", "ham", "hold").await;
    let dismissed = until_held(&ben, &room).await;

    // The rules of the room come first, and other texts are refused.
    world.user("cem").await.say(&room, "ham").await.refused(403, "not-a-member");
    let edit = json!({ "body": "ham" });
    ana.patch(format!("/rooms/{room}/messages/{first}"), edit).await.refused(422, "refused-by-filter");
    ana.patch("/users/me", json!({ "nickname": "Ham" })).await.refused(422, "refused-by-filter");

    let reply = json!({ "body": "ham for all", "reply_to": first });
    let held = ben.post(format!("/rooms/{room}/messages"), reply.clone()).key("held").await;
    assert_eq!(held.status, 202, "{held:?}");
    let report = held.json()["report_id"].as_str().unwrap().to_owned();
    let again = ben.post(format!("/rooms/{room}/messages"), reply.clone()).key("held").via(1).await;
    assert_eq!((again.json(), again.is_replay()), (held.json(), true));
    operator.remember_position(&held);
    let shown = operator.get(&format!("/reports/{report}")).await.ok();
    let expected = json!({
        "report_id": report, "reporter": null, "user_id": "ben", "nickname": "ben", "room_id": room,
        "text": "ham for all", "deleted": false, "category": "held", "note": null, "filed_at": shown["filed_at"],
        "other_open_reports": 0, "state": "open", "forgotten": false,
    });
    assert_eq!(shown, expected);
    ana.remember_position(&held);
    assert_eq!(texts(&ana, &room).await, ["who is hungry?"]);
    let sealed = world.log().await.all_messages().await;
    assert!(!sealed.iter().any(|message| message.contains("ham for all")));

    let publication = format!("/reports/{report}/publication");
    operator.put(publication.clone(), json!({})).await.refused(409, "report-not-claimed");
    let ordinary = ana.post("/reports", json!({ "user_id": "ben", "category": "spam" })).await.created();
    for report in [&report, &ordinary, &dismissed] {
        operator.put(format!("/reports/{report}/claim"), json!({})).await.done();
    }
    operator.put(format!("/reports/{ordinary}/publication"), json!({})).await.refused(409, "report-holds-nothing");
    world.operator_called("mo").put(publication.clone(), json!({})).await.refused(409, "report-claimed");
    let mut live = world.live(0).await;
    live.hello(ben.token(), &[(&room, None)]).await;
    live.subscribed(&room).await;
    let crowd = (0..4).map(|number| operator.put(publication.clone(), json!({})).via(number % 2).into_future());
    for answer in join_all(crowd).await {
        answer.done();
        assert!(!answer.is_replay());
        ana.remember_position(&answer);
        operator.remember_position(&answer);
    }
    // Another moderator repeats it.
    world.operator_called("mo").put(publication.clone(), json!({})).await.done();
    let event = live.message(&room, "ham for all").await;
    assert_eq!(event["command_id"], "held", "{event}");
    assert_eq!(texts(&ana, &room).await, ["ham for all", "who is hungry?"]);
    let shown = operator.get(&format!("/reports/{report}")).await.ok();
    assert_eq!((&shown["state"], &shown["action"]), (&json!("closed"), &json!("message_published")), "{shown}");
    let resolve = json!({ "action": "dismissed" });
    operator.put(format!("/reports/{report}/resolution"), resolve.clone()).await.refused(409, "report-closed");
    operator.put(format!("/reports/{dismissed}/resolution"), resolve).await.done();
    operator.put(format!("/reports/{dismissed}/publication"), json!({})).await.refused(409, "report-closed");

    // The author uses the key of a held message for another one, or for another held one.
    let used = ben.say(&room, "used ham").key("used").await.json()["report_id"].as_str().unwrap().to_owned();
    ben.say(&room, "other ham").key("used").await.refused(422, "idempotency-key-reused");
    ben.say(&room, "no meat").key("used").await.created();
    operator.put(format!("/reports/{used}/claim"), json!({})).await.done();
    operator.put(format!("/reports/{used}/publication"), json!({})).await.refused(409, "report-holds-nothing");

    // The author repeats a held message when the filter is gone: it is posted then, and not again.
    let early = ben.say(&room, "more ham").key("early").await;
    let early = early.json()["report_id"].as_str().unwrap().to_owned();
    let late = ben.say(&room, "last ham").await.json()["report_id"].as_str().unwrap().to_owned();
    operator.delete("/filters/ham").await.done();
    eventually("a removed filter", async || {
        let answers = [ana.say(&room, "ham").via(0).await, ana.say(&room, "ham").via(1).await];
        answers.iter().all(|answer| answer.status == 201).then_some(())
    })
    .await;
    ben.say(&room, "more ham").key("early").await.created();
    for report in [&early, &late] {
        operator.put(format!("/reports/{report}/claim"), json!({})).await.done();
    }
    operator.put(format!("/reports/{early}/publication"), json!({})).await.done();
    ana.delete(format!("/rooms/{room}")).await.done();
    operator.put(format!("/reports/{late}/publication"), json!({})).await.refused(409, "room-closed");
    let (before, messages) = (operator.get("/reports").await.ok(), texts(&ben, &room).await);
    assert_eq!(messages.iter().filter(|text| *text == "more ham").count(), 1, "{messages:?}");
    assert_eq!(messages.iter().filter(|text| *text == "ham for all").count(), 1, "{messages:?}");
    let rebuilt = world.stack.operate("rebuild --yes").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let verified = world.stack.operate("verify").await.unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert_eq!(operator.get("/reports").await.ok(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_message_is_forgotten_with_its_author_and_held_ones_are_limited() {
    let quota = (ServiceId::Command(0), "BOXROOM_REPORTS_PER_DAY", "2".to_owned());
    let world = World::start(StackOptions { env: vec![quota], ..StackOptions::default() }).await;
    let (operator, ana) = (world.operator(), world.user("ana").await);
    let room = world.open_room(&ana, "box-1", 4).await;
    set(&operator, "ham", "word", "ham", "hold").await;
    eventually("a held message", async || (ana.say(&room, "ham").await.status == 202).then_some(())).await;
    let held = ana.say(&room, "my ham").await;
    let report = held.json()["report_id"].as_str().unwrap().to_owned();
    ana.say(&room, "more ham").await.refused(422, "refused-by-filter");
    ana.remember_position(&held);
    let export = ana.get("/me/export").await;
    assert_eq!(export.text().matches("my ham").count(), 1, "{}", export.text());
    ana.delete("/users/me").await.done();
    eventually("the removal of the text", async || {
        let shown = operator.get(&format!("/reports/{report}")).await.ok();
        (shown["forgotten"] == true && shown["text"].is_null()).then_some(())
    })
    .await;
    operator.put(format!("/reports/{report}/claim"), json!({})).await.done();
    operator.put(format!("/reports/{report}/publication"), json!({})).await.refused(409, "report-holds-nothing");
}
