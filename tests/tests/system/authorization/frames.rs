//! Every frame of live connections, sent by every caller.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use system_tests::live::{Ended, Live};

use super::{
    Trial,
    callers::{BadToken, Caller},
    table::{Cell, Table},
};

/// Tries every frame that a client may send.
pub(super) async fn check(trial: &Trial, table: &Table) {
    let live = trial.world.live(0).await;
    let described: BTreeSet<&str> = live.client_frames().collect();
    assert_eq!(described, table.frames(), "every frame that is described has a row, and no other");
    for name in described {
        for caller in Caller::all() {
            let expected = match (table.cell(name, caller), caller) {
                (Cell::Yes, _) => String::new(),
                (Cell::Refused(code), _) => code.clone(),
                // Before a hello no other frame is accepted. A hello always has a token, at least an empty one.
                (Cell::NoToken, Caller::Nobody(_)) if name != "hello" => "invalid-frame".to_owned(),
                (Cell::NoToken, Caller::Nobody(BadToken::None)) => "invalid-token".to_owned(),
                (Cell::NoToken, Caller::Nobody(kind)) => kind.code().to_owned(),
                (Cell::NoToken | Cell::NotOverNats, _) => "401".to_owned(),
            };
            let found = say(trial, name, caller).await;
            assert_eq!(found, expected, "{name} by {caller:?}");
        }
    }
}

/// Sends a frame. Returns the code of the resulting error, or an empty text.
async fn say(trial: &Trial, name: &str, caller: Caller) -> String {
    let mut live = trial.world.live(0).await;
    let token = trial.token(caller, &trial.place).unwrap_or_default();
    if name != "hello" && matches!(caller, Caller::Nobody(_)) {
        live.send(&frame(name, &token, &trial.place.room)).await;
        return refusal(&mut live).await;
    }
    let follows = match name {
        "hello" => true,
        "typing" | "unsubscribe" => matches!(caller, Caller::Member | Caller::Host),
        _ => false,
    };
    let rooms = if follows { json!([{ "id": trial.place.room }]) } else { json!([]) };
    live.send(&json!({ "type": "hello", "token": token, "rooms": rooms })).await;
    if matches!(live.next().await, Ok(first) if first["type"] == "error") {
        let code = live.frames()[0]["code"].as_str().unwrap_or_default().to_owned();
        let ended = live.until_ended().await;
        assert!(matches!(ended, Ended::Closed(Some(_))), "{ended:?}");
        return code;
    }
    if name != "hello" {
        live.send(&frame(name, &token, &trial.place.room)).await;
    }
    // Frames are answered in order, so this answer comes after those of all earlier frames.
    live.send(&json!({ "type": "auth", "id": "last", "token": "no token" })).await;
    live.until("answer", |frame| frame["id"] == "last").await;
    let error = live.frames().iter().find(|frame| frame["type"] == "error" && frame["id"] != "last");
    error.map_or_else(String::new, |error| error["code"].as_str().unwrap_or_default().to_owned())
}

/// Returns the code of the error that ends a connection without a hello.
async fn refusal(live: &mut Live) -> String {
    let ended = live.until_ended().await;
    assert!(matches!(&ended, Ended::Closed(Some(close)) if u16::from(close.code) == 4300), "{ended:?}");
    live.frames()[0]["code"].as_str().unwrap_or_default().to_owned()
}

fn frame(name: &str, token: &str, room: &str) -> Value {
    match name {
        "auth" => json!({ "type": name, "id": 1, "token": token }),
        "pong" => json!({ "type": name }),
        "fetch" => json!({ "type": name, "id": 1, "room": room, "after_v": 1_000 }),
        "typing" => json!({ "type": name, "room": room }),
        _ => json!({ "type": name, "id": 1, "room": room }),
    }
}
