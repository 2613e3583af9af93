//! Live subscriptions: every event arrives, once, in order, and only for members.

use std::time::Duration;

use futures::future::join_all;
use harness::{ServiceId, StackOptions, token::Bearer};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{live::Ended, requests::room_details};
use tokio_tungstenite::tungstenite::Message;

/// Two users in one room.
async fn two_in_a_room(world: &World) -> (Person, Person, String) {
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    world.sees_room(&ben, &room).await;
    (ana, ben, room)
}

/// A second room of the same users. An event from it shows that nothing more came from the first.
async fn another_room(world: &World, ana: &Person, ben: &Person) -> String {
    world.install_box("box-2").await;
    let open = ana.post("/boxes/box-2/rooms", room_details("store-of-box-1", 4)).await;
    let room = open.created();
    world.join(ben, &room).await;
    world.sees_room(ben, &room).await;
    room
}

fn closed_with(ended: Ended) -> u16 {
    match ended {
        Ended::Closed(Some(close)) => close.code.into(),
        other => panic!("no close frame: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_joining_at_any_moment_gets_all_later_events_once_and_in_order() {
    const MESSAGES: u64 = 300;
    let world = World::start_doubled().await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let head = 2 + MESSAGES;
    let writing = async {
        for number in 0..MESSAGES {
            ana.say(&room, &format!("message {number}")).await.created();
        }
    };
    let coming = join_all((0..12).map(|number| {
        let (world, room, ben) = (&world, &room, &ben);
        async move {
            // The first follower's progress times the others, which connect while messages are posted.
            let mut first = world.live(number % 2).await;
            first.hello(ben.token(), &[(room, Some(0))]).await;
            let moment = number as u64 * 20;
            first.until_version(room, moment).await;
            let from = if number % 3 == 0 { moment } else { moment / 2 };
            let mut second = world.live((number + 1) % 2).await;
            second.hello(ben.token(), &[]).await;
            second.subscribe("again", room, Some(from)).await;
            assert_eq!(second.subscribed(room).await["recovered"], true);
            let mut third = world.live(number % 2).await;
            third.hello(ben.token(), &[(room, None)]).await;
            let subscribed = third.subscribed(room).await;
            assert!(subscribed["head_v"].as_u64() >= Some(moment), "{subscribed}");
            for live in [&mut first, &mut second, &mut third] {
                live.until_version(room, head).await;
            }
            (first, second, from)
        }
    }));
    let (followers, ()) = tokio::join!(coming, writing);

    let feed = world.feed(&ben, &room).await;
    let expected: Vec<Value> = feed.into_iter().map(|event| with_room(event, &room)).collect();
    for (first, second, from) in &followers {
        assert_eq!(first.events(&room), expected.iter().collect::<Vec<_>>());
        let after = usize::try_from(*from).unwrap();
        assert_eq!(second.events(&room), expected[after..].iter().collect::<Vec<_>>());
    }
}

fn with_room(mut event: Value, room: &str) -> Value {
    event["room_id"] = json!(room);
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_event_can_be_read_and_names_its_command_to_the_sender() {
    let world = World::start_doubled().await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let (mut live, mut own) = (world.follow(&ben, &room, 0).await, world.follow(&ana, &room, 0).await);
    for number in 0..50 {
        let key = format!("my-key-{number}");
        let id = ana.say(&room, "again").key(&key).await.created();
        let event = own.until("the message", |frame| frame["data"]["message_id"] == id.as_str()).await;
        assert_eq!((&event["command_id"], &event["by"]), (&json!(key), &json!("ana")));
        let event = live.until("the message", |frame| frame["data"]["message_id"] == id.as_str()).await;
        assert_eq!((event.get("command_id"), &event["by"]), (None, &json!("ana")));
        // Ben has written nothing, so his reads wait for no position.
        let around = format!("/rooms/{room}/messages?around={id}&limit=1");
        assert_eq!(ben.get_from(Some(1), &around).await.items()[0]["message_id"], id.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_follow_a_room_and_a_refusal_leaves_the_connection_open() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let stranger = world.person("stranger");
    let mut live = world.live(0).await;
    live.hello(stranger.token(), &[(&room, Some(0))]).await;
    let error = live.until("refusal", |frame| frame["type"] == "error").await;
    assert_eq!((&error["code"], &error["room_id"]), (&json!("not-a-member"), &json!(room)));
    for (id, unknown) in [("a", "box-1.7"), ("b", "no-such-box.1")] {
        live.subscribe(id, unknown, None).await;
        let error = live.until("refusal", |frame| frame["type"] == "error").await;
        assert_eq!((&error["code"], &error["id"]), (&json!("room-not-found"), &json!(id)));
    }
    ana.say(&room, "among ourselves").await.created();
    world.join(&stranger, &room).await;
    world.sees_room(&stranger, &room).await;
    live.subscribe("c", &room, None).await;
    assert_eq!(live.subscribed(&room).await["id"], "c");
    assert_eq!(live.events(&room), Vec::<&Value>::new());
    ben.say(&room, "welcome").await.created();
    live.message(&room, "welcome").await;

    live.send(&json!({ "type": "unsubscribe", "id": 7, "room_id": room })).await;
    let gone = live.until("end", |frame| frame["type"] == "unsubscribed").await;
    assert_eq!((&gone["id"], &gone["reason"]), (&json!(7), &json!("requested")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_sends_nothing_to_former_members() {
    let world = World::start_doubled().await;
    for (box_id, event, reason) in [("box-k", "member_kicked", "kicked"), ("box-l", "member_left", "left")] {
        let (ana, ben) = (world.person("ana"), world.person("ben"));
        let room = world.open_room(&ana, box_id, 4).await;
        world.join(&ben, &room).await;
        world.sees_room(&ben, &room).await;
        if box_id == "box-k" {
            world.register_store("store-of-box-1").await;
            another_room(&world, &ana, &ben).await;
        }
        let other = "box-2.1";
        let mut live = world.live(0).await;
        live.hello(ben.token(), &[(&room, Some(0)), (other, Some(0))]).await;
        live.event(&room, "member_joined").await;
        if reason == "kicked" {
            ana.delete(format!("/rooms/{room}/members/ben")).await.done();
        } else {
            ben.delete(format!("/rooms/{room}/members/me")).await.done();
        }
        live.event(&room, event).await;
        let end = live.until("end", |frame| frame["type"] == "unsubscribed").await;
        assert_eq!((&end["room_id"], &end["reason"]), (&json!(room), &json!(reason)));
        ana.say(&room, "he is gone").await.created();
        ana.say(other, &format!("after {room}")).await.created();
        live.message(other, &format!("after {room}")).await;
        assert_eq!(live.version(&room), 3, "the last event is the parting");

        // A resume at another service returns only the parting event.
        let mut again = world.live(1).await;
        again.hello(ben.token(), &[(&room, Some(0))]).await;
        again.until("end", |frame| frame["type"] == "unsubscribed" && frame["reason"] == reason).await;
        let [parting] = again.events(&room)[..] else { panic!("{:?}", again.events(&room)) };
        assert_eq!((&parting["type"], &parting["v"]), (&json!(event), &json!(3)));
        assert!(again.frames().iter().any(|frame| frame["type"] == "reset" && frame["head_v"] == 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_service_sends_a_bye_and_the_client_continues_at_another_one() {
    let world = World::start_doubled().await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let mut live = world.live(0).await;
    live.hello(ben.token(), &[(&room, Some(0))]).await;
    ana.say(&room, "before").await.created();
    live.message(&room, "before").await;
    let stopping = async {
        let asked = std::time::Instant::now();
        let status = world.stack.stop(ServiceId::Query(0)).await.unwrap();
        assert!(status.success(), "{status}");
        assert!(asked.elapsed() < Duration::from_secs(5));
    };
    let (ended, ()) = tokio::join!(live.until_ended(), stopping);
    let code = closed_with(ended);
    assert_eq!(code / 100, 40, "reconnect and resume");
    let bye = live.frames().last().unwrap();
    assert_eq!((&bye["type"], &bye["code"]), (&json!("bye"), &json!(code)));
    assert!(bye["retry_ms"].is_u64());

    ana.say(&room, "in between").await.created();
    let mut again = world.live(1).await;
    again.hello(ben.token(), &[(&room, Some(live.version(&room)))]).await;
    again.message(&room, "in between").await;
    ana.say(&room, "after").await.created();
    again.message(&room, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_connection_receives_the_heads_of_its_rooms() {
    let world = World::start(StackOptions::default()).await;
    let (_ana, ben, room) = two_in_a_room(&world).await;
    let mut live = world.live(0).await;
    let welcome = live.hello(ben.token(), &[(&room, Some(0))]).await;
    assert!(welcome["session"].is_string());
    assert_eq!(welcome["heartbeat_ms"], 25_000);
    let ping = live.until("ping", |frame| frame["type"] == "ping").await;
    assert_eq!(ping["heads"], json!({ room: 2 }));
    live.send(&json!({ "type": "pong" })).await;
    live.subscribe("still there", "no-such-box.1", None).await;
    live.until("an answer", |frame| frame["id"] == "still there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_answered_and_bad_first_frames_close_the_connection() {
    let world = World::start(StackOptions::default()).await;
    let (ana, _, room) = two_in_a_room(&world).await;
    let mut live = world.live(0).await;
    live.hello(ana.token(), &[]).await;
    let subscribe_oddly = json!({ "type": "subscribe", "room_id": room, "v": "one" }).to_string();
    let unknown_field = json!({ "type": "subscribe", "room_id": room, "loud": true }).to_string();
    let texts = ["", "{", "[]", "7", r#"{"type":"shout"}"#, r#"{"type":"hello"}"#, &subscribe_oddly, &unknown_field];
    let second_hello = json!({ "type": "hello", "token": ana.token(), "rooms": [] }).to_string();
    for text in texts.into_iter().chain([second_hello.as_str()]) {
        live.send_message(Message::text(text)).await;
        let error = live.until("refusal", |frame| frame["type"] == "error").await;
        assert!(error["code"].is_string() && error["detail"].is_string(), "{text}: {error}");
    }
    live.send_message(Message::binary(vec![0, 159, 146, 150])).await;
    live.until("refusal", |frame| frame["type"] == "error").await;
    for strange in [json!(-1), json!(999)] {
        let subscribe = json!({ "type": "subscribe", "room_id": room, "v": strange });
        live.send_message(Message::text(subscribe.to_string())).await;
        live.until("answer", |frame| frame["type"] == "reset" || frame["type"] == "error").await;
    }
    let mut fine = world.follow(&ana, &room, 0).await;
    ana.say(&room, "all is well").await.created();
    fine.message(&room, "all is well").await;

    live.send_message(Message::text("x".repeat(17 * 1024))).await;
    assert_eq!(closed_with(live.until_ended().await) / 100, 43);
    let url = format!("{}/live", world.stack.query_url(0));
    let plain = world.request(Method::GET, &url).send().await.unwrap();
    assert_eq!(plain.status(), 426);

    let expired = world.stack.token_signer().expired_token(Bearer::User("ana"));
    let hello = |token: &str| json!({ "type": "hello", "token": token, "rooms": [] }).to_string();
    let beginnings = [
        (Message::text(hello(&expired)), 42),
        (Message::text(hello("x.y.z")), 42),
        (Message::text(json!({ "type": "subscribe", "room_id": room }).to_string()), 43),
        (Message::text("{"), 43),
        (Message::binary(vec![1, 2, 3]), 43),
    ];
    for (beginning, family) in beginnings {
        let mut live = world.live(0).await;
        live.send_message(beginning.clone()).await;
        assert_eq!(closed_with(live.until_ended().await) / 100, family, "{beginning:?}");
    }
    let mut silent = world.live(0).await;
    assert_eq!(closed_with(silent.until_ended().await) / 100, 43, "the wait for a hello is limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_gets_everything_and_delays_no_other_client() {
    const MESSAGES: u64 = 640;
    let world = World::start(StackOptions::default()).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let mut slow = world.follow(&ben, &room, 0).await;
    let mut quick = world.follow(&ben, &room, 0).await;
    let text = "🍜".repeat(4_000);
    let head = 2 + MESSAGES;
    for v in (2..=head).step_by(8).skip(1) {
        let said = join_all((0..8).map(|_| ana.say(&room, &text).into_future()));
        let (said, ()) = tokio::join!(said, quick.until_version(&room, v));
        for answer in said {
            answer.created();
        }
    }
    // More than ten megabytes have passed, more than all buffers hold. Each version is checked on arrival.
    slow.until_version(&room, head).await;
    assert!(slow.frames().iter().any(|frame| frame["type"] == "lagging"), "the client received a lagging frame");
}
