//! Blocked users, as the user who blocks them and as others see them.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World, live::Live};

/// Ana, ben and cem in a room of ana's.
async fn three_in_a_room(world: &World) -> ([Person; 3], String) {
    let [ana, ben, cem] = [world.user("ana").await, world.user("ben").await, world.user("cem").await];
    let room = world.open_room(&ana, "box-1", 4).await;
    for person in [&ben, &cem] {
        world.join(person, &room).await;
    }
    ([ana, ben, cem], room)
}

async fn until_blocks(device: &mut Live, users: Value) {
    device.until("blocks", |frame| frame["type"] == "blocks" && frame["users"] == users).await;
}

async fn until_unread(device: &mut Live, unread: u64) {
    device.until("unread alarms", |frame| frame["type"] == "alarms" && frame["unread"] == unread).await;
}

/// Returns the kind, the user and the count of each alarm, and the number of unread ones.
async fn alarms(person: &Person) -> (Vec<Value>, Value) {
    let page = person.get("/me/alarms").await.ok();
    let items = page["items"].as_array().unwrap().iter();
    let shown = items.map(|alarm| json!([alarm["kind"], alarm["by"], alarm["count"]])).collect();
    let unread = person.get("/me/alarms?unread=true").await.ok();
    assert_eq!((&unread["items"], &unread["unread"]), (&page["items"], &page["unread"]), "nothing was read");
    (shown, page["unread"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_user_causes_no_alarms_and_does_not_learn_it() {
    let world = World::start_doubled().await;
    let ([ana, ben, cem], room) = three_in_a_room(&world).await;
    let question = ana.say(&room, "soup?").await.created();
    let reaction = format!("/rooms/{room}/messages/{question}/reactions/👍");
    let (mut phone, mut of_ben) = (world.live(0).await, world.live(1).await);
    phone.hello(ana.token(), &[]).await;
    of_ben.hello(ben.token(), &[]).await;
    until_unread(&mut phone, 0).await;
    let early = ben.say(&room, "@ana, yes").await;
    ana.remember_position(&early);
    until_unread(&mut phone, 1).await;

    ana.put("/users/me/blocks/ben", json!({})).await.done();
    until_blocks(&mut phone, json!(["ben"])).await;
    until_unread(&mut phone, 0).await;
    assert_eq!(alarms(&ana).await, (vec![], json!(0)), "an earlier alarm disappears");
    let reply = json!({ "body": "@ana?", "reply_to": question });
    ben.post(format!("/rooms/{room}/messages"), reply).await.created();
    ben.put(reaction.clone(), json!({})).await.done();
    let of_cem = cem.say(&room, "@ana @ben, bread?").await;
    ana.remember_position(&of_cem);
    let mention = phone.until("an alarm", |frame| frame["type"] == "alarm").await;
    assert_eq!((&mention["kind"], &mention["by"]), (&json!("mention"), &json!("cem")), "none of ben");
    until_unread(&mut phone, 1).await;
    assert_eq!(alarms(&ana).await, (vec![json!(["mention", "cem", 1])], json!(1)));
    of_ben.until("an alarm", |frame| frame["type"] == "alarm" && frame["by"] == "cem").await;

    // The reactions of others count without his.
    let reacted = cem.put(reaction.clone(), json!({})).await;
    ana.remember_position(&reacted);
    let alarm = phone.until("a reaction", |frame| frame["type"] == "alarm" && frame["kind"] == "reaction").await;
    assert_eq!((&alarm["by"], &alarm["count"]), (&json!("cem"), &json!(1)));
    let (shown, _) = alarms(&ana).await;
    assert!(shown.contains(&json!(["reaction", "cem", 1])), "{shown:?}");
    let removed = cem.delete(reaction.clone()).await;
    ana.remember_position(&removed);
    phone.until("a withdrawal", |frame| frame["type"] == "alarm_withdrawn" && frame["id"] == alarm["id"]).await;
    assert_eq!(alarms(&ana).await, (vec![json!(["mention", "cem", 1])], json!(1)));

    ana.delete("/users/me/blocks/ben").await.done();
    until_blocks(&mut phone, json!([])).await;
    until_unread(&mut phone, 5).await;
    let (shown, unread) = alarms(&ana).await;
    assert_eq!((shown.len(), unread), (5, json!(5)), "{shown:?}");
    assert!(of_ben.frames().iter().all(|frame| frame["type"] != "blocks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_blocked_users_are_marked_for_the_blocker_only() {
    let world = World::start(StackOptions::default()).await;
    let ([ana, ben, cem], room) = three_in_a_room(&world).await;
    ana.put("/users/me/blocks/ben", json!({})).await.done();
    let answer = cem.say(&room, "noodles").await.created();
    let said = ben.post(format!("/rooms/{room}/messages"), json!({ "body": "soup", "reply_to": answer })).await;
    let message = said.created();
    for person in [&ana, &cem] {
        person.remember_position(&said);
    }
    let messages = format!("/rooms/{room}/messages");
    let marks = async |person: &Person| {
        let page = person.get(&messages).await.ok();
        let one = person.get(&format!("{messages}/{message}")).await.ok();
        let found = person.get("/search/messages?q=soup").await.ok();
        let mine = person.get("/me/rooms").await.ok();
        json!([
            page["items"][0]["blocked"],
            page["items"][1]["blocked"],
            one["blocked"],
            one["parent"]["blocked"],
            found["items"][0]["blocked"],
            mine["items"][0]["last_message"]["blocked"],
        ])
    };
    assert_eq!(marks(&ana).await, json!([true, null, true, null, true, true]));
    assert_eq!(marks(&cem).await, json!([null, null, null, null, null, null]));
    let blocks = ana.get("/me/blocks").await.ok();
    assert_eq!((&blocks["items"][0]["user_id"], &blocks["items"][0]["nickname"]), (&json!("ben"), &json!("ben")));

    // A rebuild shows the same, and a blocker who is erased leaves nothing.
    let rebuilt = world.stack.operate("rebuild --yes").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(marks(&ana).await, json!([true, null, true, null, true, true]));
    assert_eq!(ana.get("/me/blocks").await.ok(), blocks);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_limited_and_repeated_without_effect() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.user("ana").await;
    let block = |name: &str| ana.put(format!("/users/me/blocks/{name}"), json!({}));
    block("ana").await.refused(409, "cannot-block-yourself");
    block("all-of-them").key("1").await.done();
    ana.delete("/users/me/blocks/all-of-them").await.done();
    assert!(block("all-of-them").key("1").await.is_replay());
    ana.delete("/users/me/blocks/unknown").await.done();
    assert_eq!(ana.get("/me/blocks").await.ok()["items"], json!([]), "a repeat does not block again");
    for name in ["cem", "ben", "dan"] {
        block(name).await.done();
    }
    let ids = |items: Vec<Value>| items.into_iter().map(|item| item["user_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(ana.get_all("/me/blocks?limit=2").await), ["ben", "cem", "dan"]);
}
