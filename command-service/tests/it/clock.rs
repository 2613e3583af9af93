//! Instances with wrong clocks. Each test is a process of its own, and makes its clock wrong.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{LoginAttempts, Revocations, Tally};
use harness::token::Bearer;
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::clock;
use testing::wait::until;
use wire::trust::{self, Revoked};

use crate::{
    app::{Installation, PASSWORD, Service},
    gateway::Device,
};

async fn clock_check(service: &Service) -> (u16, Value) {
    let (status, body) = service.readiness().await;
    let checks = body["checks"].as_array().unwrap();
    (status, checks.iter().find(|check| check["name"] == "clock").unwrap().clone())
}

async fn refuses_everything(service: &Service, device: &Device, installation: &Installation) {
    let answers = [
        service.open_room("ben", "b").await,
        service.register("eve", PASSWORD, "Eve").await,
        service.sign_in("ana", PASSWORD).await,
        service.delete(Bearer::User("ana"), "/sessions").await,
        service.ask_with("no token", Method::POST, "/rooms/b.1/messages", Some(json!({ "body": "hi" }))).await,
    ];
    for answer in answers {
        answer.refused(503, "clock-skew");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    let token = installation.token_signer.token(Bearer::Device("b"), Duration::from_mins(1));
    let request = json!({ "token": token, "path": { "box": "b" } }).to_string();
    assert_eq!(device.send("record_arrival", request).await["problem"]["code"], "clock-skew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_wrong_clock_rejects_commands_until_it_is_right() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let device = Device::connect(&installation).await;
    service.furnish("b").await;
    service.register("ana", PASSWORD, "Ana").await.created();
    service.open_room("ana", "b").await.created();
    for (wrong, words) in [
        (TimeDelta::hours(25), "s ahead of the log's"),
        (TimeDelta::hours(-25), "s behind the log's"),
        (TimeDelta::seconds(4), "s ahead of the log's"),
    ] {
        clock::shift(wrong);
        let (status, check) = clock_check(&service).await;
        assert_eq!((status, &check["ok"]), (503, &json!(false)), "{check}");
        assert!(check["detail"].as_str().unwrap().contains(words), "{check}");
        refuses_everything(&service, &device, &installation).await;
        clock::shift(TimeDelta::zero());
        service.until_ready().await;
        // A fast clock does not close an open room.
        service.open_room("ben", "b").await.refused(409, "box-in-use");
    }
    service.post(Bearer::User("ana"), "/rooms/b.1/messages", json!({ "body": "still here" })).await.created();
    assert_eq!(service.sign_in("ana", PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_with_a_wrong_clock_is_not_ready() {
    let installation = Installation::start().await;
    clock::shift(TimeDelta::hours(25));
    let service = installation.spawn(&[]).await;
    until("the clock is compared", async || {
        let (_, check) = clock_check(&service).await;
        check["detail"].as_str().is_some_and(|detail| detail.contains("ahead"))
    })
    .await;
    service.open_room("ben", "b").await.refused(503, "clock-skew");
    clock::shift(TimeDelta::zero());
    service.until_ready().await;
}

/// A time written by an instance with a clock that is an hour fast.
fn in_an_hour() -> DateTime<Utc> {
    clock::now() + TimeDelta::hours(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signed_out_by_a_fast_clock_can_sign_in_again() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    let revoked = Revoked { before: in_an_hour(), until: in_an_hour() + TimeDelta::hours(25) };
    let old = installation.token_signer.token(Bearer::User("ana"), Duration::from_mins(10));
    let user_id = "ana".parse().unwrap();
    Revocations::new(installation.buckets().await).put(&trust::subject_key("user", &user_id), revoked).await.unwrap();
    let name = |token: String| {
        let service = &service;
        async move {
            let body = json!({ "nickname": "Anna" });
            service.ask_with(&token, Method::PATCH, "/users/me", Some(body)).await
        }
    };
    until("the former token is refused", async || name(old.clone()).await.status == 401).await;
    until("a new one counts", async || {
        name(installation.token_signer.token(Bearer::User("ana"), Duration::from_mins(10))).await.status == 204
    })
    .await;
    name(old).await.refused(401, "revoked-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_counted_by_a_fast_clock_does_not_prolong_a_throttle() {
    let installation = Installation::start().await;
    let tallies = LoginAttempts::new(installation.buckets().await);
    let before = clock::now();
    let fast = |failures| move |_| Some(Tally { failures, at: in_an_hour(), known: false });
    tallies.change("user.ana", fast(20)).await.unwrap();
    let read = tallies.get("user.ana").await.unwrap().unwrap();
    assert!(read.at >= before - TimeDelta::seconds(1) && read.at <= clock::now() + TimeDelta::seconds(1), "{read:?}");
    // The value that is written back is right.
    let changed = tallies.change("user.ana", |tally| tally).await.unwrap().unwrap();
    assert_eq!(changed.at, read.at);
}
