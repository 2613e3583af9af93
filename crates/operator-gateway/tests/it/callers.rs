//! Only operators send requests, with a token that is still valid, and not faster than the limit.

use chrono::TimeDelta;
use harness::{StackOptions, token::Bearer};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testing::wait::{eventually, now};

use crate::{
    documents::operations,
    world::{GATEWAY, World, send},
};

/// A body that no request has: the caller is checked before it.
const UNUSABLE: &str = "[1]";

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_may_send_requests() {
    let world = World::start().await;
    let hour = TimeDelta::hours(1);
    let expired = world.stack.token_signer().token_since(Bearer::Operator("ops"), now() - hour * 2, hour);
    let callers = [
        (None, 401, "missing-token"),
        (Some("e30.e30.e30".to_owned()), 401, "invalid-token"),
        (Some(expired), 401, "expired-token"),
        (Some(world.token(Bearer::User("ana"))), 403, "forbidden"),
        (Some(world.token(Bearer::Moderator("mia"))), 403, "forbidden"),
        (Some(world.token(Bearer::Device("box-1"))), 403, "forbidden"),
        (Some(world.operator()), 422, "invalid-body"),
    ];
    for path in operations(&world).await {
        for (token, status, code) in &callers {
            let request = world.request(Method::POST, &path).header("content-type", "application/json").body(UNUSABLE);
            let request = token.iter().fold(request, RequestBuilder::bearer_auth);
            send(request).await.refused(*status, code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused() {
    let world = World::start().await;
    let password = "battery staple 7";
    let created = world.stack.create_account("operator", "olga", password, &[]).await.unwrap();
    assert!(created.status.success(), "{created:?}");
    let account = json!({ "user_id": "olga", "password": password });
    let session = world.command("", Method::POST, "/sessions", account).await.ok();
    let token = session["access_token"].as_str().unwrap();
    let ask = async || send(world.request(Method::POST, "/ops/projector/status").bearer_auth(token)).await;
    ask().await.ok();
    let ended = world.command(token, Method::DELETE, "/sessions/current", Value::Null).await;
    assert!(ended.status.is_success(), "{ended}");
    eventually("the token is refused", async || {
        let answer = ask().await;
        (!answer.status.is_success()).then(|| answer.refused(401, "revoked-token"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_has_a_rate_limit_and_pages_need_a_permitted_origin() {
    let setting = |name, value: &str| (GATEWAY, name, value.to_owned());
    let env = vec![setting("BOXROOM_RATE_PER_USER", "1:3"), setting("BOXROOM_ALLOWED_ORIGINS", "https://chat.example")];
    let world = World::with(StackOptions { env, ..StackOptions::default() }).await;
    let limited = eventually("the limit is reached", async || {
        let answer = send(world.post("projector/status")).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    limited.refused(429, "rate-limited");
    assert!(limited.header("retry-after").is_some());

    for (origin, is_permitted) in [("https://chat.example", true), ("https://evil.example", false)] {
        let preflight = world.request(Method::OPTIONS, "/ops/projector/status").header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "POST");
        let answer = send(preflight.header("access-control-request-headers", "authorization,content-type")).await;
        assert_eq!(answer.header("access-control-allow-origin"), is_permitted.then_some(origin));
    }
}
