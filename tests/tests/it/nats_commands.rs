//! Commands over NATS: reports of boxes, and refusals.

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Person, World, log::Device};
use testing::wait::new_key;

/// A complete request: token, path, body and idempotency key.
#[expect(clippy::needless_pass_by_value, reason = "a literal at every call")]
fn request(by: &Person, path: Value, body: Value) -> Value {
    let mut request = json!({ "token": by.token(), "idempotency_key": new_key(), "path": path });
    if !body.is_null() {
        request["body"] = body;
    }
    request
}

#[track_caller]
fn refused(reply: &Value, status: u16, code: &str) {
    assert_eq!((&reply["status"], &reply["problem"]["code"]), (&json!(status), &json!(code)), "{reply:#}");
    assert_eq!(reply["problem"]["status"], status);
    for member in ["type", "title", "detail", "request_id"] {
        assert!(reply["problem"][member].is_string(), "{reply:#} lacks {member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_reports_an_arrival_to_every_member_of_its_room() {
    let world = World::start_doubled().await;
    let (ana, box_itself) = (world.person("ana"), world.device("box-1"));
    let room = world.open_room(&ana, "box-1", 4).await;
    let mut live = world.follow(&ana, &room, 0).await;
    let nats = Device::connect(&world.stack).await;

    let report = request(&box_itself, json!({ "box": "box-1" }), Value::Null);
    let reply = nats.send("record_arrival", &report).await;
    assert_eq!(reply["status"], 201, "{reply:#}");
    assert!(reply["id"].is_string() && reply["position"].is_string(), "{reply:#}");
    let arrived = live.event(&room, "order_arrived").await;
    assert_eq!((&arrived["by"], arrived.get("command_id")), (&json!("box-1"), None));
    let again = nats.send("record_arrival", &report).await;
    assert_eq!(again["replayed"], true, "{again:#}");
    assert_eq!((&again["id"], &again["position"]), (&reply["id"], &reply["position"]));
    let reply = nats.send("record_door_opening", &request(&box_itself, json!({ "box": "box-1" }), Value::Null)).await;
    assert_eq!(reply["status"], 201, "{reply:#}");
    live.event(&room, "door_opened").await;
    let alarms = ana.get("/me/alarms").await.items();
    let kinds: Vec<&Value> = alarms.iter().map(|alarm| &alarm["kind"]).collect();
    assert_eq!(kinds, ["door_opened", "order_arrived"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_the_same_over_nats_and_http() {
    let world = World::start_doubled().await;
    let (ana, ben, operator) = (world.person("ana"), world.person("ben"), world.operator());
    let nats = Device::connect(&world.stack).await;
    let account = json!({ "body": { "user_id": "dora", "password": "correct horse", "nickname": "Dora" } });
    assert_eq!(nats.send("register_user", &account).await["id"], "dora");
    refused(&nats.send("register_user", &account).await, 409, "user-exists");
    let installed =
        nats.send("install_box", &request(&operator, json!({}), testing::requests::box_details("box-1"))).await;
    assert_eq!((&installed["status"], &installed["id"]), (&json!(201), &json!("box-1")));
    world.register_store("noodles").await;
    let open = testing::requests::room_details("noodles", 4);
    let opened = nats.send("open_room", &request(&ana, json!({ "box": "box-1" }), open.clone())).await;
    let room = opened["id"].as_str().unwrap_or_else(|| panic!("{opened:#}"));
    refused(&nats.send("open_room", &request(&ben, json!({ "box": "box-1" }), open)).await, 409, "box-in-use");

    let joined = nats.send("join_room", &request(&ben, json!({ "room": room }), json!({}))).await;
    assert_eq!(joined["id"], "ben", "{joined:#}");
    let say = request(&ben, json!({ "room": room }), json!({ "body": "hello" }));
    let said = nats.send("post_message", &say).await;
    let message = said["id"].as_str().unwrap_or_else(|| panic!("{said:#}"));
    // Repeated over HTTP, it is the same command.
    let key = say["idempotency_key"].as_str().unwrap_or_default();
    let over_http = ben.say(room, "hello").key(key).await;
    assert!(over_http.is_replay(), "{over_http}");
    assert_eq!((over_http.created(), over_http.position()), (message.to_owned(), text(&said["position"])));
    let path = json!({ "room": room, "message": message, "emoji": "👍" });
    let reacted = nats.send("add_reaction", &request(&ana, path, Value::Null)).await;
    assert_eq!(reacted["status"], 204, "{reacted:#}");
    assert!(reacted["position"].is_string(), "{reacted:#}");

    world.sees_room(&ben, room).await;
    let mut live = world.live(0).await;
    live.hello(ben.token(), &[(room, Some(0))]).await;
    assert_eq!(live.event(room, "reaction_added").await["data"]["emoji"], "👍");
    assert_eq!(live.version(room), 4);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_nats_commands_are_refused_and_store_nothing() {
    let world = World::start(StackOptions::default()).await;
    let (ana, stranger) = (world.person("ana"), world.person("stranger"));
    let room = world.open_room(&ana, "box-1", 4).await;
    let nats = Device::connect(&world.stack).await;
    let log = world.log().await;
    let before = log.length().await;

    let of_room = || json!({ "room": room });
    let hello = || json!({ "body": "hello" });
    refused(&nats.send("post_message", &request(&stranger, of_room(), hello())).await, 403, "not-a-member");
    refused(&nats.send("post_message", &json!({ "path": of_room(), "body": hello() })).await, 401, "missing-token");
    let forged = json!({ "token": "x.y.z", "path": of_room(), "body": hello() });
    refused(&nats.send("post_message", &forged).await, 401, "invalid-token");
    for body in [json!({}), json!({ "body": 7 }), json!({ "body": "" }), json!({ "body": "x", "surprise": 1 })] {
        refused(&nats.send("post_message", &request(&ana, of_room(), body)).await, 422, "invalid-body");
    }
    let elsewhere = json!({ "room": "box-1.9" });
    refused(&nats.send("post_message", &request(&ana, elsewhere, hello())).await, 404, "room-not-found");
    let traversal = json!({ "room": format!("{room}/../../boxes") });
    refused(&nats.send("post_message", &request(&ana, traversal, hello())).await, 404, "not-found");
    let other_box = request(&world.device("box-2"), json!({ "box": "box-1" }), Value::Null);
    refused(&nats.send("record_arrival", &other_box).await, 403, "forbidden");
    let mut bad_key = request(&ana, of_room(), hello());
    bad_key["idempotency_key"] = json!("two words");
    refused(&nats.send("post_message", &bad_key).await, 400, "invalid-idempotency-key");

    refused(&nats.send("no_such_command", &request(&ana, of_room(), hello())).await, 404, "unknown-command");
    for strange in [json!([]), json!("text"), json!({ "path": [] }), request(&ana, json!({}), hello())] {
        refused(&nats.send("post_message", &strange).await, 400, "malformed-request");
    }
    for garbage in [b"".to_vec(), b"{".to_vec(), vec![0xff; 64]] {
        refused(&nats.send_bytes("post_message", garbage).await, 400, "malformed-request");
    }
    let large = request(&ana, of_room(), json!({ "body": "x".repeat(100_000) }));
    refused(&nats.send("post_message", &large).await, 413, "body-too-large");
    assert_eq!(log.length().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_can_send_commands_and_nothing_else() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 4).await;
    let nats = Device::connect(&world.stack).await;
    let log = world.log().await;
    let before = log.length().await;
    // The log, the notifications and the JetStream API are closed to a box: an error or no answer, and no effect.
    for subject in ["$JS.API.STREAM.NAMES", "JS.core.API.STREAM.NAMES", "box.0.box-1.room", "live.g1.box-0"] {
        let answer = nats.client().request(subject, "{}".into());
        let answer = tokio::time::timeout(std::time::Duration::from_secs(1), answer).await;
        if let Ok(Ok(message)) = answer {
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            assert!(text.contains("\"error\""), "{subject}: {text}");
        }
    }
    let mut live = world.follow(&ana, &room, 0).await;
    ana.say(&room, "all is well").await.created();
    live.message(&room, "all is well").await;
    assert_eq!(log.length().await, before + 1);
}

/// Restarts of one of two instances leave no request of a box without an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_starting_instance_accepts_no_command_before_it_can_decide() {
    let world = World::start(StackOptions { command_services: 2, ..StackOptions::default() }).await;
    world.install_box("box-1").await;
    let (box_itself, device) = (world.device("box-1"), Device::connect(&world.stack).await);
    let restarts = async {
        for _ in 0..4 {
            assert!(world.stack.stop(ServiceId::Command(1)).await.unwrap().success());
            world.stack.start_again(ServiceId::Command(1)).await.unwrap();
        }
    };
    let mut restarts = std::pin::pin!(restarts);
    let mut answered = 0;
    loop {
        let report = request(&box_itself, json!({ "box": "box-1" }), Value::Null);
        let four = join_all((0..4).map(|_| device.send("record_arrival", &report)));
        tokio::select! {
            () = &mut restarts => break,
            replies = four => for reply in replies {
                assert_eq!(reply["status"], 201, "{reply:#}");
                answered += 1;
            },
        }
    }
    assert!(answered > 100, "only {answered}");
}
