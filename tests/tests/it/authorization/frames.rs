//! Every frame of live connections, sent by every caller.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use system_tests::live::Live;
use testing::live::Ended;

use super::{
    Trial,
    callers::{BadToken, Caller},
    table::{Cell, Table, WITH_V},
};

/// The cell for users who get only the parting event of the room: that of leaving or of the kick.
const PARTING_ONLY: &str = "parting only";

/// Tries every frame that a client may send.
pub(super) async fn check(trial: &Trial, table: &Table) {
    let live = trial.world.live(0).await;
    let described: BTreeSet<&str> = live.client_frames().collect();
    assert_eq!(described, table.frames(), "every frame that is described has a row, and no other");
    assert_eq!(table.frames_with_v(), BTreeSet::from(["hello with v", "subscribe with v"]));
    for name in described.into_iter().chain(table.frames_with_v()) {
        for caller in Caller::all() {
            let expected = match (table.cell(name, caller), caller) {
                (Cell::Yes, _) => String::new(),
                (Cell::Refused(code), _) => code.clone(),
                // Before a hello no other frame is accepted. A hello always has a token, at least an empty one.
                (Cell::NoToken, Caller::Anonymous(_)) if !name.starts_with("hello") => "invalid-frame".to_owned(),
                (Cell::NoToken, Caller::Anonymous(BadToken::None)) => "invalid-token".to_owned(),
                (Cell::NoToken, _) => caller.token_refusal().unwrap_or("no token").to_owned(),
                (Cell::NotOverNats, _) => "not over NATS".to_owned(),
            };
            let found = say(trial, name, caller).await;
            assert_eq!(found, expected, "{name} by {caller:?}");
        }
    }
}

/// Sends a frame. Returns the code of the resulting error, `parting only` if only the parting event came, or an empty
/// text.
async fn say(trial: &Trial, name: &str, caller: Caller) -> String {
    let mut live = trial.world.live(0).await;
    let (name, v) = name.strip_suffix(WITH_V).map_or((name, None), |name| (name, Some(0)));
    let token = trial.token(caller, &trial.fixture).unwrap_or_default();
    if name != "hello" && matches!(caller, Caller::Anonymous(_)) {
        live.send(&frame(name, &token, &trial.fixture.room, v)).await;
        return refusal(&mut live).await;
    }
    let follows = match name {
        "hello" => true,
        "typing" | "unsubscribe" => matches!(caller, Caller::Member | Caller::Blocked | Caller::CoHost | Caller::Host),
        _ => false,
    };
    let rooms = match v.filter(|_| follows) {
        Some(v) => json!([{ "room_id": trial.fixture.room, "v": v }]),
        None if follows => json!([{ "room_id": trial.fixture.room }]),
        None => json!([]),
    };
    if v.is_some() || name == "fetch" {
        live.expect_after(&trial.fixture.room, Some(0));
    }
    live.send(&json!({ "type": "hello", "token": token, "rooms": rooms })).await;
    if matches!(live.next().await, Ok(first) if first["type"] == "error") {
        let code = live.frames()[0]["code"].as_str().unwrap_or_default().to_owned();
        let ended = live.until_ended().await;
        assert!(matches!(ended, Ended::Closed(Some(_))), "{ended:?}");
        return code;
    }
    if name != "hello" {
        live.send(&frame(name, &token, &trial.fixture.room, v)).await;
    }
    // Frames are answered in order, so this answer comes after those of all earlier frames.
    live.send(&json!({ "type": "auth", "id": "last", "token": "no token" })).await;
    live.until("answer", |frame| frame["id"] == "last").await;
    let error = live.frames().iter().find(|frame| frame["type"] == "error" && frame["id"] != "last");
    if let Some(error) = error {
        assert_eq!(live.events(&trial.fixture.room), Vec::<&Value>::new(), "a refusal shows nothing of the room");
        return error["code"].as_str().unwrap_or_default().to_owned();
    }
    if v.is_some() { received_events(&live, &trial.fixture.room).to_owned() } else { String::new() }
}

/// Returns `parting only` if only the parting event of the room came, or an empty text if all its events came.
fn received_events(live: &Live, room: &str) -> &'static str {
    let events = live.events(room);
    let [first, rest @ ..] = events.as_slice() else { panic!("nothing of {room} came") };
    if first["v"] == 1 {
        return "";
    }
    assert!(rest.is_empty(), "only one event comes: {rest:?}");
    let reason = if first["type"] == "member_left" { "left" } else { "kicked" };
    assert_eq!(first["type"], format!("member_{reason}"));
    let last = live.frames().iter().rfind(|frame| frame["room_id"] == room && frame["type"] != "membership").unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("unsubscribed"), &json!(reason)));
    PARTING_ONLY
}

/// Returns the code of the error that ends a connection without a hello.
async fn refusal(live: &mut Live) -> String {
    let ended = live.until_ended().await;
    assert!(matches!(&ended, Ended::Closed(Some(close)) if u16::from(close.code) == 4300), "{ended:?}");
    live.frames()[0]["code"].as_str().unwrap_or_default().to_owned()
}

fn frame(name: &str, token: &str, room: &str, v: Option<u64>) -> Value {
    match (name, v) {
        (_, Some(v)) => json!({ "type": name, "id": 1, "room_id": room, "v": v }),
        (name, None) => frame_without_v(name, token, room),
    }
}

fn frame_without_v(name: &str, token: &str, room: &str) -> Value {
    match name {
        "auth" => json!({ "type": name, "id": 1, "token": token }),
        "pong" => json!({ "type": name }),
        "subscribe_lobby" => json!({ "type": name, "id": 1, "zip_code": "04109" }),
        "unsubscribe_lobby" => json!({ "type": name, "id": 1 }),
        "fetch" => json!({ "type": name, "id": 1, "room_id": room, "after_v": 0 }),
        "typing" => json!({ "type": name, "room_id": room }),
        _ => json!({ "type": name, "id": 1, "room_id": room }),
    }
}
