//! Registration by invitation, closed registration, and its rate limits.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use credentials::{Invitation, Invitations};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use testing::Answer;

use crate::app::{Installation, PASSWORD, Service};

/// Makes an invitation, as `boxroomctl` does.
async fn invite(invitations: &Invitations, token: &str, uses: u32, lifetime: TimeDelta) {
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let now = Utc::now();
    let invitation = Invitation { uses, expires_at: now + lifetime, created_at: now, redeemed_by: vec![] };
    invitations.create(token, &invitation).await.unwrap();
}

async fn register(service: &Service, user_id: &str, nickname: &str, invitation: &str) -> Answer {
    let body = json!({ "user_id": user_id, "password": PASSWORD, "nickname": nickname, "invitation": invitation });
    service.ask(None, Some("register"), Method::POST, "/users", Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_of_an_invitation_registers_one_user() {
    let installation = Installation::start().await;
    let mode = ["--registration", "invitation"];
    let services = [installation.service(&mode).await, installation.service(&mode).await];
    let invitations = Arc::new(Invitations::new(installation.buckets().await));
    invite(&invitations, "three", 3, TimeDelta::days(1)).await;
    invite(&invitations, "expired", 3, TimeDelta::seconds(-1)).await;
    services[0].register("ana", PASSWORD, "Ana").await.refused(403, "invalid-invitation");
    for wrong in ["unknown", "expired"] {
        register(&services[0], "ana", "Ana", wrong).await.refused(403, "invalid-invitation");
    }
    // Each of twelve users sends the request twice.
    let names: Vec<String> = (0..24).map(|number| format!("user-{}", number % 12)).collect();
    let attempts = names.iter().enumerate().map(|(number, name)| register(&services[number / 12], name, name, "three"));
    let answers = join_all(attempts).await;
    let mut registered: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(Answer::created).collect();
    registered.sort();
    registered.dedup();
    assert_eq!(registered.len(), 3, "{registered:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(403, "invalid-invitation");
    }
    for user_id in &registered {
        let repeated = register(&services[0], user_id, user_id, "three").await;
        assert!(repeated.is_replay(), "{repeated}");
        services[1].sign_in(user_id, PASSWORD).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_nickname_was_taken_keeps_the_use() {
    let installation = Installation::start().await;
    let service = installation.service(&["--registration", "invitation"]).await;
    let invitations = Invitations::new(installation.buckets().await);
    invite(&invitations, "first", 1, TimeDelta::days(1)).await;
    invite(&invitations, "second", 1, TimeDelta::days(1)).await;
    register(&service, "ana", "Ana", "first").await.created();
    register(&service, "ben", "Ana", "second").await.refused(409, "nickname-taken");
    register(&service, "cyd", "Cyd", "second").await.refused(403, "invalid-invitation");
    let body = json!({ "user_id": "ben", "password": PASSWORD, "nickname": "Ben", "invitation": "second" });
    service.ask(None, Some("another"), Method::POST, "/users", Some(body)).await.created();
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_registration_keeps_the_users() {
    let installation = Installation::start().await;
    let open = installation.service(&[]).await;
    register(&open, "ana", "Ana", "ignored").await.created();
    let closed = installation.service(&["--registration", "closed"]).await;
    closed.register("ben", PASSWORD, "Ben").await.refused(403, "registration-closed");
    assert!(register(&closed, "ana", "Ana", "ignored").await.is_replay());
    closed.sign_in("ana", PASSWORD).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_of_an_address_are_limited_and_counted() {
    let installation = Installation::start().await;
    let service =
        installation.service(&["--registrations-per-address", "2", "--trusted-proxies", "127.0.0.1/32"]).await;
    let register = async |address: &str, user_id: &str| {
        let request = service.client.post(format!("{}/users", service.url)).header("x-forwarded-for", address);
        let body = json!({ "user_id": user_id, "password": PASSWORD, "nickname": user_id });
        Answer::read("POST /users".to_owned(), request.json(&body).send().await.unwrap()).await.unwrap()
    };
    register("192.0.2.1", "ana").await.created();
    // What fails does not count.
    for _ in 0..3 {
        register("192.0.2.1", "ana").await.refused(409, "user-exists");
    }
    register("192.0.2.1", "ben").await.created();
    let refused = register("192.0.2.1", "cyd").await;
    refused.refused(429, "too-many-registrations");
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&seconds), "{seconds} seconds");
    register("192.0.2.2", "cyd").await.created();
    let metrics = service.client.get(format!("{}/metrics", service.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("boxroom_registrations_total"), "{metrics}");

    let service = installation.service(&["--registrations-per-hour", "1"]).await;
    service.register("dan", PASSWORD, "Dan").await.created();
    service.register("eve", PASSWORD, "Eve").await.refused(429, "too-many-registrations");
}
