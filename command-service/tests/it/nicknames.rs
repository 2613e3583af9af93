//! Nicknames that look alike, and the users of earlier releases, who have claimed only the exact ones.

use std::{sync::Arc, time::Duration};

use domain::UserId;
use event_store::{
    Log,
    log::{Attempt, Freshness, NewMessage},
};
use harness::token::Bearer;
use reqwest::Method;
use sealing::{KeyRing, MasterKeys};
use serde_json::json;
use testing::{Answer, EarlierRelease, wait::until};
use wire::{StreamName, subject};

use crate::app::{Installation, PASSWORD, Service};

async fn rename(service: &Service, user_id: &str, nickname: &str) -> Answer {
    let body = Some(json!({ "nickname": nickname }));
    service.ask(Some(Bearer::User(user_id)), None, Method::PATCH, "/users/me", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_gets_a_name_that_looks_like_that_of_another_user_or_is_reserved() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.register("ana", PASSWORD, "Bob").await.created();
    service.register("ben", PASSWORD, "김밥").await.created();
    for alike in ["Ｂob", "Bob\u{200B}", " bob ", "B0B", "\u{1100}\u{1175}\u{11B7}\u{1107}\u{1161}\u{11B8}"] {
        service.register("cyd", PASSWORD, alike).await.refused(409, "nickname-taken");
    }
    for bad in ["[erased]", "Admin", "운영자", "Bоb", "\u{3164}", "a\nb"] {
        service.register("cyd", PASSWORD, bad).await.refused(422, "invalid-body");
        rename(&service, "ana", bad).await.refused(422, "invalid-body");
    }
    for (number, name) in ["Вова", "Иван", "田中", "محمد", "🍕"].into_iter().enumerate() {
        service.register(&format!("user{number}"), PASSWORD, name).await.created();
    }
    rename(&service, "ben", "Ｂob").await.refused(409, "nickname-taken");
    rename(&service, "ana", "Rob").await.done();
    rename(&service, "ben", "Ｂob").await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_an_earlier_release_are_protected_from_names_that_look_like_theirs() {
    let installation = Installation::start().await;
    let log: Arc<dyn Log> = Arc::new(installation.log().await);
    let earlier = EarlierRelease { log: &log };
    earlier.register("ana", "Bob").await;
    earlier.register("ben", "Bоb").await;
    let service = installation.service(&[]).await;
    service.register("cyd", PASSWORD, "Ｂob").await.refused(409, "nickname-taken");
    rename(&service, "ben", "Bob\u{200B}").await.refused(409, "nickname-taken");
    rename(&service, "ben", "Rob").await.done();
    rename(&service, "ana", "Ｂob").await.done();
    // A release that still runs registers another user.
    earlier.register("eve", "Sunny").await;
    until("the new user is protected", async || {
        let claim = subject::nickname_claim_v2("Sunny");
        log.last(StreamName::User, &claim, Freshness::Leader).await.unwrap().is_some()
    })
    .await;
    service.register("cyd", PASSWORD, "Sunny\u{200B}").await.refused(409, "nickname-taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_nicknames_wait_until_all_users_have_their_claims() {
    let installation = Installation::start().await;
    let log: Arc<dyn Log> = Arc::new(installation.log().await);
    EarlierRelease { log: &log }.register("ana", "Bob").await;
    // The key of this user cannot be read now.
    let eve: UserId = "eve".parse().unwrap();
    let last = log.get(StreamName::User, 2, Freshness::Leader).await.unwrap().unwrap();
    let payload = String::from_utf8(last.payload.to_vec()).unwrap();
    let payload = payload.replace("ana", "eve").replace(r#""Bob""#, r#"{"sealed":"AAAA","of":"eve"}"#);
    let mut headers = async_nats::HeaderMap::new();
    last.headers.each(|name, value| {
        if !name.starts_with("Nats-") {
            headers.insert(name, value);
        }
    });
    let message = NewMessage {
        stream: StreamName::User,
        subject: "user.eve".to_owned(),
        message_id: None,
        guard: None,
        headers,
        payload: payload.into(),
    };
    let attempt = log.attempt(&[message], Duration::from_secs(10)).await;
    assert!(matches!(attempt, Attempt::Stored { .. }), "{attempt:?}");

    let service = installation.service(&[]).await;
    for answer in [service.register("cyd", PASSWORD, "Cyd").await, rename(&service, "ana", "Ana").await] {
        answer.refused(503, "nicknames-not-ready");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    let masters = MasterKeys::read(&installation.folder().join("master-key")).unwrap();
    KeyRing::start(installation.buckets().await, masters).destroy(&eve).await.unwrap();
    until("nicknames can be taken", async || service.register("cyd", PASSWORD, "Cyd").await.status == 201).await;
    rename(&service, "cyd", "Ｂob").await.refused(409, "nickname-taken");
}
