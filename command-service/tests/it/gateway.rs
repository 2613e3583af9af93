//! The same commands over NATS.

use std::time::Duration;

use async_nats::RequestErrorKind;
use harness::{Account, token::Bearer};
use serde_json::{Value, json};

use crate::app::{Installation, PASSWORD};

/// A connection with the account of delivery boxes.
pub(crate) struct Device(async_nats::Client);

impl Device {
    pub(crate) async fn connect(installation: &Installation) -> Self {
        let client = service_kit::nats::connect(&installation.nats.url(Account::Device), "box").await;
        Self(client.unwrap())
    }

    /// Returns whether no instance receives a command.
    pub(crate) async fn has_no_responders(&self, command: &str) -> bool {
        let answer = self.0.request(format!("cmd.{command}"), "{}".into()).await;
        answer.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders)
    }

    pub(crate) async fn send(&self, command: &str, request: impl Into<String>) -> Value {
        let request = self.0.request(format!("cmd.{command}"), request.into().into());
        serde_json::from_slice(&request.await.unwrap().payload).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_reports_and_a_user_sends_every_command_over_nats() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    let device = Device::connect(&installation).await;
    let token = |bearer| installation.token_signer.token(bearer, Duration::from_mins(1));

    let request = json!({ "token": token(Bearer::Device("b")), "path": { "box": "b" }, "idempotency_key": "k" });
    let reply = device.send("record_arrival", request.to_string()).await;
    assert_eq!((&reply["status"], reply["id"].is_string(), reply["position"].is_string()), (&json!(201), true, true));
    let again = device.send("record_arrival", request.to_string()).await;
    assert_eq!(
        (&again["id"], &again["position"], &again["replayed"]),
        (&reply["id"], &reply["position"], &json!(true))
    );

    let register = json!({ "body": { "user_id": "ana", "password": PASSWORD, "nickname": "Ana" } });
    assert_eq!(device.send("register_user", register.to_string()).await["id"], "ana");
    let session = json!({ "body": { "user_id": "ana", "password": PASSWORD } });
    let refused = device.send("open_session", session.to_string()).await;
    assert_eq!(refused["problem"]["code"], "unknown-command", "other boxes could read the answer");
    let ana = token(Bearer::User("ana"));
    let send = async |command: &str, path: Value, body: Value| {
        device.send(command, json!({ "token": ana, "path": path, "body": body }).to_string()).await
    };
    let room = json!({ "store_id": "b", "title": "Pizza", "max_members": 2 });
    assert_eq!(send("open_room", json!({ "box": "b" }), room).await["id"], "b.1");
    let said = send("post_message", json!({ "room": "b.1" }), json!({ "body": "hi" })).await;
    let reaction = json!({ "room": "b.1", "message": said["id"], "emoji": "👍\u{FE0F}" });
    let reply = send("add_reaction", reaction, Value::Null).await;
    assert_eq!((&reply["status"], reply["position"].is_string()), (&json!(204), true));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_nats_command_is_answered_with_a_problem() {
    let installation = Installation::start().await;
    let _service = installation.service(&[]).await;
    let device = Device::connect(&installation).await;
    let token = installation.token_signer.token(Bearer::User("ana"), Duration::from_mins(1));
    let expired = installation.token_signer.expired_token(Bearer::User("ana"));
    let with = |token: &str, rest: Value| {
        let mut request = rest;
        request["token"] = token.into();
        request.to_string()
    };
    for (command, request, status, code) in [
        ("no_such", "{}".to_owned(), 404, "unknown-command"),
        ("list_rooms", "{}".to_owned(), 404, "unknown-command"),
        ("open_room", String::new(), 400, "malformed-request"),
        ("open_room", "[]".to_owned(), 400, "malformed-request"),
        ("open_room", r#"{"more":1}"#.to_owned(), 400, "malformed-request"),
        ("open_room", with(&token, json!({ "body": {} })), 400, "malformed-request"),
        ("open_room", with("a\nb", json!({ "path": { "box": "b" } })), 400, "malformed-request"),
        ("open_room", with(&token, json!({ "path": { "box": "b" } })), 415, "unsupported-media-type"),
        ("open_room", with(&token, json!({ "path": { "box": "b" }, "body": {} })), 422, "invalid-body"),
        ("open_room", with(&token, json!({ "path": { "box": "b/../c" }, "body": {} })), 404, "not-found"),
        ("open_room", json!({ "path": { "box": "b" }, "body": {} }).to_string(), 401, "missing-token"),
        ("open_room", with("x", json!({ "path": { "box": "b" }, "body": {} })), 401, "invalid-token"),
        ("open_room", with(&expired, json!({ "path": { "box": "b" }, "body": {} })), 401, "expired-token"),
        ("install_box", with(&token, json!({ "body": {} })), 403, "forbidden"),
        (
            "post_message",
            with(&token, json!({ "path": { "room": "b.1" }, "body": { "body": "x" } })),
            404,
            "room-not-found",
        ),
        (
            "leave_room",
            with(&token, json!({ "path": { "room": "b.1" }, "idempotency_key": "ä" })),
            400,
            "invalid-idempotency-key",
        ),
        ("open_room", format!(r#"{{"token":"{}"}}"#, "x".repeat(70_000)), 413, "body-too-large"),
    ] {
        let reply = device.send(command, request.clone()).await;
        let got = (reply["status"].as_i64(), reply["problem"]["code"].as_str());
        assert_eq!(got, (Some(status), Some(code)), "{command} {request:.80} {reply}");
        assert_ne!(reply["problem"]["request_id"], "", "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_id() {
    let installation = Installation::start().await;
    let _service = installation.service(&[]).await;
    let device = Device::connect(&installation).await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("x-request-id", "mine-1");
    let reply = device.0.request_with_headers("cmd.erase_user", headers, "{}".into()).await.unwrap();
    assert_eq!(reply.headers.unwrap().get("x-request-id").unwrap().as_str(), "mine-1");
    let problem: Value = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(problem["problem"]["request_id"], "mine-1");
    for strange in ["two words", "\u{e4}", "<b>", "x\ty", &"x".repeat(65)] {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("x-request-id", strange);
        for command in ["erase_user", "no_such"] {
            let reply = device.0.request_with_headers(format!("cmd.{command}"), headers.clone(), "{}".into()).await;
            let id = reply.unwrap().headers.unwrap().get("x-request-id").unwrap().as_str().to_owned();
            assert!(id.len() == 36 && id != strange, "{strange:?} in {command} became {id:?}");
        }
    }
}
