//! Outages of the log.

use std::time::{Duration, Instant};

use harness::token::Bearer;
use reqwest::Method;
use serde_json::json;
use testing::wait::until;

use crate::app::{Installation, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn commands_fail_fast_without_the_log_and_succeed_when_it_is_back() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    service.register("ana", PASSWORD, "Ana").await.created();
    service.open_room("ana", "b").await.created();
    installation.nats.stop().await;
    let (ana, message) = (Bearer::User("ana"), json!({ "body": "hi" }));
    let before = Instant::now();
    let (posted, opened, registered, signed_in) = tokio::join!(
        service.post(ana, "/rooms/b.1/messages", message.clone()),
        service.open_room("ben", "b"),
        service.register("ben", PASSWORD, "Ben"),
        service.sign_in("ana", PASSWORD),
    );
    assert!(
        !signed_in.json()["detail"].as_str().unwrap().contains("Idempotency-Key"),
        "sign-ins take none: {signed_in:?}"
    );
    for answer in [posted, opened, registered, signed_in] {
        answer.refused(503, "log-unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    let token = service.token(ana);
    let refresh_token = format!("user.ana.{}.{}", "0".repeat(32), "A".repeat(43));
    for (method, path, body) in [
        (Method::POST, "/sessions/refresh", Some(json!({ "refresh_token": refresh_token }))),
        (Method::DELETE, "/sessions", None),
        (Method::PUT, "/users/me/password", Some(json!({ "old": PASSWORD, "new": "battery staple" }))),
    ] {
        let answer = service.ask_with(&token, method, path, body).await;
        answer.refused(503, "log-unavailable");
        assert!(
            !answer.json()["detail"].as_str().unwrap().contains("Idempotency-Key"),
            "{path} takes none: {answer:?}"
        );
    }
    assert_eq!(service.readiness().await.0, 503);

    installation.nats.start_again().await.unwrap();
    service.until_ready().await;
    until("a message is posted", async || {
        let answer = service.post(ana, "/rooms/b.1/messages", message.clone()).await;
        answer.status == 201
    })
    .await;
    service.register("ben", PASSWORD, "Ben").await.created();
    assert_eq!(service.sign_in("ben", PASSWORD).await.status, 200);
    service.stop().await;
}
