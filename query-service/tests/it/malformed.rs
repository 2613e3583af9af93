//! Malformed frames: each gets the right error, and other clients are not affected.

use std::fs;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{watcher::Watcher, world::World};

/// The number of frames per connection, within the burst that the rate limit allows.
const AT_ONCE: usize = 50;

const KIB: usize = 1024;

/// Returns values of wrong types or formats.
fn strange_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!("no id"),
        json!("north.0"),
        json!(format!("{}.1", "x".repeat(41))),
        json!([]),
        json!(["north.2"]),
        json!({}),
        json!([{ "v": 1 }]),
        json!([{ "room_id": "north.2", "v": -1 }]),
        json!([{ "room_id": "north.2", "more": 1 }]),
    ]
}

/// Returns a client's frames with one error each that the description forbids.
fn nearly_right(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for example in world.check.client_examples() {
        let fields: Vec<&String> = example.as_object().unwrap().keys().collect();
        for field in &fields {
            let mut without = example.clone();
            without.as_object_mut().unwrap().remove(*field);
            wrong.push(without);
            wrong.extend(strange_values().into_iter().map(|value| with(example, field, value)));
        }
        wrong.push(with(example, "more", json!(1)));
    }
    let described = |frame: &Value| world.check.client(frame).is_ok();
    wrong.into_iter().filter(|frame| !described(frame)).map(|frame| frame.to_string()).collect()
}

fn with(example: &Value, field: &str, value: Value) -> Value {
    let mut frame = example.clone();
    frame[field] = value;
    frame
}

/// Returns texts that are no frames at all, or whose error the description cannot express.
fn far_from_right() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "\0",
        "hello",
        "null",
        "7",
        "[]",
        "{}",
        "\"pong\"",
        "{\"type\":",
        r#"{"type":"pong"} {"type":"pong"}"#,
        r#"{"type":"pong"}x"#,
        r#"{"type":"dance"}"#,
        r#"{"type":"PONG"}"#,
        r#"{"type":"message_posted"}"#,
        "{\"type\":\"po\0ng\"}",
        r#"{"type":"po\u0000ng"}"#,
        r#"{"type":"typing","room_id":"north.2\u0000"}"#,
        r#"{"type":"pong","type":"pong"}"#,
        r#"{"type":"typing","room_id":"north.2","room_id":"north.2"}"#,
        r#"{"type":"subscribe","room_id":"north.2","v":9223372036854775808}"#,
        r#"{"type":"subscribe","room_id":"north.2","v":1e300}"#,
        r#"{"type":"subscribe","room_id":"north.2","v":1e9999}"#,
        r#"{"type":"subscribe","room_id":"north.2","v":-0.0}"#,
        r#"{"type":"subscribe","id":99999999999999999999,"room_id":"north.2"}"#,
    ]
    .map(str::to_owned)
    .into();
    let deep = 8 * KIB - 100;
    texts.push("[".repeat(16 * KIB));
    texts.push(format!("{}{}", "[".repeat(deep), "]".repeat(deep)));
    texts.push(format!("{{\"type\":\"typing\",\"room\":{}{}}}", "[".repeat(deep), "]".repeat(deep)));
    texts.push("{\"a\":".repeat(3 * KIB));
    texts
}

/// Opens a connection that follows no room, after its hello.
async fn greeted(world: &World) -> Watcher {
    let mut watcher = world.connect().await;
    watcher.say(json!({ "type": "hello", "token": world.token("ben") })).await;
    assert_eq!(watcher.next().await["type"], "welcome");
    watcher
}

/// Checks that another client still receives events.
async fn goes_on(world: &World, neighbour: &mut Watcher, v: i64) {
    world.happen(v, "message_posted", "ana", json!({ "body": "all is well" })).await;
    neighbour.events([v]).await;
}

#[tokio::test]
async fn a_malformed_frame_is_refused_and_the_connection_stays_open() {
    let world = World::start().await;
    let mut neighbour = world.watch("ana", Some(9)).await;
    neighbour.next().await;
    let hello = json!({ "type": "hello", "token": world.token("ben") }).to_string();
    let wrong = [nearly_right(&world), far_from_right(), vec![hello]].concat();
    assert!(wrong.len() > 100, "{}", wrong.len());
    for texts in wrong.chunks(AT_ONCE) {
        let mut watcher = greeted(&world).await;
        for text in texts {
            watcher.say_text(text).await;
            let refusal = watcher.next().await;
            assert_eq!((&refusal["type"], &refusal["code"]), (&"error".into(), &"invalid-frame".into()), "{text}");
        }
        watcher.send(Message::binary(r#"{"type":"pong"}"#)).await.unwrap();
        assert_eq!(watcher.next().await["code"], "invalid-frame");
        watcher.say(json!({ "type": "fetch", "id": 1, "room_id": "north.1", "after_v": 0 })).await;
        assert_eq!(watcher.next().await["code"], "not-a-member", "the connection still works");
    }
    goes_on(&world, &mut neighbour, 10).await;
}

#[tokio::test]
async fn a_first_frame_other_than_hello_closes_the_connection() {
    let world = World::start().await;
    let mut neighbour = world.watch("ana", Some(9)).await;
    neighbour.next().await;
    let too_early = world.check.client_examples().filter(|frame| frame["type"] != "hello").map(Value::to_string);
    let wrong = [nearly_right(&world), far_from_right(), too_early.collect()].concat();
    let messages: Vec<Message> =
        wrong.iter().map(Message::text).chain([Message::binary(vec![0, 159, 146, 150])]).collect();
    for messages in messages.chunks(16) {
        join_all(messages.iter().map(async |message| {
            let mut watcher = world.connect().await;
            watcher.send(message.clone()).await.unwrap();
            assert_eq!(watcher.next().await["code"], "invalid-frame", "{message}");
            assert_eq!(watcher.bye().await, (4300, "hello-expected".to_owned()), "{message}");
        }))
        .await;
    }
    goes_on(&world, &mut neighbour, 10).await;
}

fn fragment(text: &[u8], opcode: Data, last: bool) -> Message {
    Message::Frame(Frame::message(text.to_vec(), OpCode::Data(opcode), last))
}

/// Splits a message into two fragments.
fn in_two(text: &[u8]) -> [Message; 2] {
    let (first, second) = text.split_at(text.len() / 2);
    [fragment(first, Data::Text, false), fragment(second, Data::Continue, true)]
}

#[tokio::test]
async fn fragments_form_one_frame_and_count_as_one() {
    let world = World::start().await;
    let mut watcher = greeted(&world).await;
    for part in in_two(br#"{"type":"fetch","id":1,"room_id":"north.1","after_v":0}"#) {
        watcher.send(part).await.unwrap();
    }
    assert_eq!(watcher.next().await["code"], "not-a-member");
    for part in in_two("x".repeat(16 * KIB + 1).as_bytes()) {
        watcher.send(part).await.unwrap();
    }
    assert_eq!(watcher.bye().await, (4301, "frame-too-large".to_owned()));
}

/// Returns messages that end a connection without an answer.
fn unanswerable_messages() -> Vec<Vec<Message>> {
    vec![
        vec![Message::text("x".repeat(64 * KIB + 1))],
        vec![Message::text("[".repeat(100_000))],
        vec![Message::binary(vec![0; 64 * KIB + 1])],
        in_two("x".repeat(64 * KIB + 2).as_bytes()).into(),
        vec![fragment(b"{\"type\":\"\xff\"}", Data::Text, true)],
        vec![fragment(b"}", Data::Continue, true)],
        vec![fragment(b"{", Data::Text, false), fragment(b"}", Data::Text, true)],
    ]
}

#[tokio::test]
async fn a_binary_message_is_refused_or_too_large_like_a_text() {
    let world = World::start().await;
    let mut watcher = greeted(&world).await;
    watcher.send(Message::binary(vec![b'x'; 16 * KIB])).await.unwrap();
    assert_eq!(watcher.next().await["code"], "invalid-frame");
    watcher.send(Message::binary(vec![b'x'; 16 * KIB + 1])).await.unwrap();
    assert_eq!(watcher.bye().await, (4301, "frame-too-large".to_owned()));
    for (bytes, code, bye) in [(48, "invalid-frame", (4300, "hello-expected")), (49, "", (4301, "frame-too-large"))] {
        let mut watcher = world.connect().await;
        watcher.send(Message::binary(vec![b'x'; bytes * KIB])).await.unwrap();
        if !code.is_empty() {
            assert_eq!(watcher.next().await["code"], code);
        }
        assert_eq!(watcher.bye().await, (bye.0, bye.1.to_owned()));
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_or_no_text_closes_the_connection_at_once() {
    let world = World::start().await;
    let mut neighbour = world.watch("ana", Some(9)).await;
    neighbour.next().await;
    for (bytes, code) in [(16 * KIB, "invalid-frame"), (16 * KIB + 1, "")] {
        let mut watcher = greeted(&world).await;
        watcher.say_text(&"x".repeat(bytes)).await;
        if code.is_empty() {
            assert_eq!(watcher.bye().await, (4301, "frame-too-large".to_owned()));
        } else {
            assert_eq!(watcher.next().await["code"], code);
        }
    }
    for messages in unanswerable_messages() {
        for mut watcher in [world.connect().await, greeted(&world).await] {
            for message in &messages {
                // The connection may end before all messages are sent.
                let _ = watcher.send(message.clone()).await;
            }
            watcher.broken().await;
        }
    }
    goes_on(&world, &mut neighbour, 10).await;
}

#[tokio::test]
async fn malformed_frames_leave_no_state_behind() {
    let world = World::start().await;
    let mut neighbour = world.watch("ana", Some(9)).await;
    neighbour.next().await;
    let mut sizes = Vec::new();
    for round in 0..4 {
        for _ in 0..10 {
            let mut watcher = greeted(&world).await;
            for text in far_from_right() {
                watcher.say_text(&text).await;
                watcher.next().await;
            }
            for messages in unanswerable_messages() {
                let mut watcher = greeted(&world).await;
                for message in messages {
                    let _ = watcher.send(message).await;
                }
                watcher.broken().await;
            }
        }
        sizes.push(resident_kib());
        goes_on(&world, &mut neighbour, 10 + round).await;
    }
    // The first round is a warm-up.
    let grown = sizes[3].saturating_sub(sizes[0]);
    assert!(grown < 16 * KIB, "{sizes:?} KiB");
}

/// Returns the resident memory in KiB of this process, in which the service runs.
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_malformed_frame_is_answered_with_its_id() {
    let world = World::start().await;
    let mut watcher = world.watch("ana", None).await;
    assert_eq!(watcher.next().await["type"], "subscribed");
    for (frame, id) in [
        (json!({ "type": "subscribe", "id": 7, "room_id": "NOT A ROOM" }), json!(7)),
        (json!({ "type": "fetch", "id": "x" }), json!("x")),
        (json!({ "type": "shout", "id": 8 }), json!(8)),
        (json!({ "type": "typing" }), json!(null)),
    ] {
        watcher.say_text(&frame.to_string()).await;
        let error = watcher.next().await;
        assert_eq!((&error["code"], &error["id"]), (&json!("invalid-frame"), &id), "{frame}");
    }
}
