//! Reports of users, from the reporter to the moderator who closes them, and their texts until they are removed.

use futures::future::{join, join_all};
use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::wait::eventually;

/// Ana and ben in a room of ana's, and cem outside.
async fn meeting(world: &World) -> ([Person; 3], String) {
    let [ana, ben, cem] = [world.user("ana").await, world.user("ben").await, world.user("cem").await];
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    ([ana, ben, cem], room)
}

fn about(room: &str, message: &str) -> Value {
    json!({ "room_id": room, "message_id": message, "category": "spam", "note": "He does this every day" })
}

/// Waits until the moderators' view of a report fits.
async fn until_shown(operator: &Person, report: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let shown = operator.get(&format!("/reports/{report}")).await;
        (shown.status == 200).then(|| shown.json()).filter(&fits)
    })
    .await
}

async fn rebuild_and_verify(world: &World) {
    let rebuilt = world.stack.operate("rebuild --yes").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let verified = world.stack.operate("verify").await.unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_claimed_by_one_moderator_and_closed() {
    let world = World::start_doubled().await;
    let ([ana, ben, cem], room) = meeting(&world).await;
    let (one, other) = (world.operator_called("mo"), world.operator_called("may"));
    let message = ben.say(&room, "buy soup").await.created();
    ben.patch(format!("/rooms/{room}/messages/{message}"), json!({ "body": "buy my soup" })).await.done();

    cem.post("/reports", about(&room, &message)).await.refused(403, "not-a-member");
    ben.post("/reports", about(&room, &message)).await.refused(409, "cannot-report-yourself");
    ana.post("/reports", about(&room, "999999999")).await.refused(404, "message-not-found");
    let filed = ana.post("/reports", about(&room, &message)).key("report").await;
    let report = filed.created();
    let again = ana.post("/reports", about(&room, &message)).key("report").await;
    assert_eq!((again.created(), again.is_replay()), (report.clone(), true));
    ana.post("/reports", about(&room, &message)).await.refused(409, "already-reported");
    let about_user = ana.post("/reports", json!({ "user_id": "cem", "category": "spam" })).await;
    for answer in [&filed, &about_user] {
        one.remember_position(answer);
    }
    let shown = one.get(&format!("/reports/{}", about_user.created())).await.ok();
    assert_eq!((&shown["deleted"], shown.get("message_id")), (&json!(false), None), "{shown}");
    let shown = one.get(&format!("/reports/{report}")).await.ok();
    let expected = json!({
        "report_id": report, "reporter": "ana", "user_id": "ben", "nickname": "ben", "room_id": room,
        "message_id": message, "text": "buy my soup", "deleted": false, "category": "spam",
        "note": "He does this every day", "filed_at": shown["filed_at"], "other_open_reports": 0, "state": "open",
        "forgotten": false,
    });
    assert_eq!(shown, expected);
    ana.get("/reports").await.refused(403, "forbidden");
    ana.get(&format!("/reports/{report}")).await.refused(403, "forbidden");

    let claim = format!("/reports/{report}/claim");
    let resolution = format!("/reports/{report}/resolution");
    let resolve = || json!({ "action": "warned", "note": "For the first time" });
    one.put(resolution.clone(), resolve()).await.refused(409, "report-not-claimed");
    let crowd: Vec<Person> = (0..20).map(|number| world.operator_called(&format!("mod-{number}"))).collect();
    let claims = crowd.iter().map(|moderator| moderator.put(claim.clone(), json!({})).into_future());
    let claims = join_all(claims).await;
    let winners: Vec<usize> = (0..claims.len()).filter(|number| claims[*number].status == 204).collect();
    assert_eq!(winners.len(), 1, "{claims:?}");
    for loser in claims.iter().filter(|claim| claim.status != 204) {
        loser.refused(409, "report-claimed");
    }
    let winner = &crowd[winners[0]];
    winner.put(claim.clone(), json!({})).await.done();
    one.put(resolution.clone(), resolve()).await.refused(409, "report-claimed");
    one.delete(claim.clone()).await.done();
    other.put(claim.clone(), json!({})).await.done();
    let resolved = other.put(resolution.clone(), resolve()).await;
    resolved.done();
    other.put(resolution, resolve()).await.refused(409, "report-closed");
    other.put(claim, json!({})).await.refused(409, "report-closed");
    one.remember_position(&resolved);
    let shown = one.get(&format!("/reports/{report}")).await.ok();
    assert_eq!((&shown["state"], &shown["moderator"]), (&json!("closed"), &json!("may")), "{shown}");
    assert_eq!((&shown["action"], &shown["resolution_note"]), (&json!("warned"), &json!("For the first time")));

    // A repeat gets the first report, and another request a new one, because that one is closed.
    assert_eq!(ana.post("/reports", about(&room, &message)).key("report").await.created(), report);
    let second = ana.post("/reports", about(&room, &message)).await;
    assert_ne!(second.created(), report);
    one.remember_position(&second);
    let ids = async |path: &str| {
        let items = one.get_all(path).await;
        items.into_iter().map(|item| item["report_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let other = about_user.created();
    let all = [report.clone(), other.clone(), second.created()];
    assert_eq!(ids("/reports?limit=1").await, all, "the oldest first");
    assert_eq!(ids("/reports?state=closed").await, [report]);
    assert_eq!(ids("/reports?state=open").await, [other, second.created()]);
    assert!(ids("/reports?state=claimed").await.is_empty());
    one.get("/reports?state=lost").await.refused(400, "invalid-query");
    one.get("/reports/no-such-report").await.refused(404, "report-not-found");
    let before = one.get("/reports").await.ok();
    assert_eq!(before["items"][0]["other_open_reports"], 1, "{before}");
    rebuild_and_verify(&world).await;
    assert_eq!(one.get("/reports").await.ok(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_can_be_reported_and_read() {
    let world = World::start_doubled().await;
    let ([ana, ben, _], room) = meeting(&world).await;
    let operator = world.operator();
    let mut reports = Vec::new();
    for number in 0..10 {
        let message = ben.say(&room, &format!("soup {number}")).await.created();
        let path = format!("/rooms/{room}/messages/{message}");
        let (deleted, filed) =
            join(ben.delete(path).into_future(), ana.post("/reports", about(&room, &message)).into_future()).await;
        deleted.done();
        reports.push((filed.created(), format!("soup {number}")));
        operator.remember_position(&filed);
        operator.remember_position(&deleted);
    }
    for (report, text) in &reports {
        let shown = operator.get(&format!("/reports/{report}")).await.ok();
        assert_eq!((&shown["text"], &shown["deleted"]), (&json!(text), &json!(true)), "{shown}");
    }
    // The message of a closed room is still there for those who were in it.
    let last = ben.say(&room, "last soup").await.created();
    ana.delete(format!("/rooms/{room}")).await.done();
    ana.post("/reports", about(&room, &last)).await.created();
    let next = ana.post("/boxes/box-1/rooms", testing::requests::room_details("store-of-box-1", 4)).await.created();
    assert_ne!(next, room);
    let message = world.person("cem").post("/reports", about(&room, &last)).await;
    message.refused(404, "message-not-found");
    ana.post("/reports", about(&room, &last)).await.refused(409, "already-reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_have_a_target_a_quota_and_a_limit_of_text() {
    let quota = (ServiceId::Command(0), "BOXROOM_REPORTS_PER_DAY", "2".to_owned());
    let world = World::start(StackOptions { env: vec![quota], ..StackOptions::default() }).await;
    let ana = world.user("ana").await;
    let users = ["ben", "cem", "dan"];
    for name in users {
        world.user(name).await;
    }
    let report = |body: Value| ana.post("/reports", body);
    report(json!({ "user_id": "nobody-known", "category": "spam" })).await.refused(404, "reported-user-not-found");
    report(json!({ "user_id": "ana", "category": "spam" })).await.refused(409, "cannot-report-yourself");
    for bad in [
        json!({ "category": "spam" }),
        json!({ "room_id": "box-1.1", "category": "spam" }),
        json!({ "message_id": "1", "category": "spam" }),
        json!({ "user_id": "ben", "room_id": "box-1.1", "message_id": "1", "category": "spam" }),
        json!({ "user_id": "ben", "category": "boring" }),
        json!({ "user_id": "ben", "category": "spam", "note": "x".repeat(1001) }),
    ] {
        report(bad).await.refused(422, "invalid-body");
    }
    for name in ["ben", "cem"] {
        report(json!({ "user_id": name, "category": "spam", "note": "x".repeat(1000) })).await.created();
    }
    report(json!({ "user_id": "ben", "category": "other" })).await.refused(409, "already-reported");
    report(json!({ "user_id": "dan", "category": "spam" })).await.refused(429, "too-many-reports");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_texts_go_with_their_author_their_reporter_or_their_time() {
    let retention = (ServiceId::Projector(0), "BOXROOM_REPORT_RETENTION", "2s".to_owned());
    let world = World::start(StackOptions { env: vec![retention], ..StackOptions::default() }).await;
    let ([ana, ben, cem], room) = meeting(&world).await;
    let operator = world.operator();
    let message = ben.say(&room, "buy soup").await.created();
    let of_ana = ana.post("/reports", about(&room, &message)).await.created();
    let body = json!({ "user_id": "ana", "category": "harassment", "note": "she said soup" });
    let of_cem = cem.post("/reports", body.clone()).await.created();
    let of_ben = ben.post("/reports", body).await.created();
    let sealed = world.log().await.all_messages().await;
    assert!(!sealed.iter().any(|message| message.contains("buy soup") || message.contains("she said soup")));

    // Closed long enough ago.
    operator.put(format!("/reports/{of_cem}/claim"), json!({})).await.done();
    let resolve = json!({ "action": "dismissed", "note": "a misunderstanding" });
    operator.put(format!("/reports/{of_cem}/resolution"), resolve).await.done();
    let gone = |report: &Value| report["forgotten"] == true && report["note"].is_null();
    let shown = until_shown(&operator, &of_cem, "the removal of old texts", gone).await;
    assert!(shown["resolution_note"].is_null() && shown["action"] == "dismissed", "{shown}");
    let shown = operator.get(&format!("/reports/{of_ben}")).await.ok();
    assert_eq!((&shown["note"], &shown["forgotten"]), (&json!("she said soup"), &json!(false)));

    // The author of the message, who has reported as well.
    ben.delete("/users/me").await.done();
    for report in [&of_ana, &of_ben] {
        let shown = until_shown(&operator, report, "the removal of an erased user's texts", gone).await;
        assert!(shown["text"].is_null(), "{shown}");
    }
    operator.put(format!("/reports/{of_ana}/claim"), json!({})).await.done();
    let resolve = json!({ "action": "other", "note": "nothing is left" });
    let resolved = operator.put(format!("/reports/{of_ana}/resolution"), resolve).await;
    resolved.done();
    operator.remember_position(&resolved);
    let before = operator.get("/reports").await.ok();
    assert!(!before.to_string().contains("soup") && !before.to_string().contains("nothing is left"), "{before}");
    eventually("the end of the erasure", async || {
        let output = world.stack.operate("status --json").await.unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        status["erasures"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    rebuild_and_verify(&world).await;
    assert_eq!(operator.get("/reports").await.ok(), before);
    let user = json!({ "user_id": "ben", "category": "spam" });
    ana.post("/reports", user).await.refused(404, "reported-user-not-found");
}
