//! Refresh, theft and end of sessions; rotation of the keys that sign their tokens.

use async_nats::jetstream;
use credentials::{Accounts, Sessions};
use harness::{Account, token::Bearer};
use provision::{keys, streams, topology::ProvisionOptions};
use reqwest::Method;
use serde_json::{Value, json};
use testing::{Answer, wait::until};

use crate::app::{Installation, PASSWORD, Service};

/// Returns the access token and the refresh token of a session answer.
fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.ok()["token_type"], "Bearer", "{answer:?}");
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn signed_in(service: &Service) -> (String, String) {
    tokens(&service.sign_in("ana", PASSWORD).await)
}

async fn refresh(service: &Service, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    service.ask(None, None, Method::POST, "/sessions/refresh", Some(body)).await
}

/// Sends a command that succeeds with any valid token and changes nothing.
async fn rename(service: &Service, access: &str) -> Answer {
    service.ask_with(access, Method::PATCH, "/users/me", Some(json!({ "nickname": "Ana" }))).await
}

async fn until_revoked(service: &Service, access: &str) {
    until("the token is revoked", async || rename(service, access).await.code().as_deref() == Some("revoked-token"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_refreshed_until_an_old_token_is_reused() {
    let installation = Installation::start().await;
    let services = [installation.service(&[]).await, installation.service(&[]).await];
    services[0].register("ana", PASSWORD, "Ana").await.created();
    let (_, first) = signed_in(&services[0]).await;
    let (_, other) = signed_in(&services[0]).await;
    let (_, second) = tokens(&refresh(&services[1], &first).await);
    assert_ne!(first, second);
    let (_, again) = tokens(&refresh(&services[0], &first).await);
    assert_eq!(again, second, "the answer was lost on its way");
    let (access, third) = tokens(&refresh(&services[0], &second).await);
    assert_eq!(rename(&services[1], &access).await.status, 204);

    refresh(&services[1], &first).await.refused(401, "refresh-token-reused");
    refresh(&services[0], &third).await.refused(401, "invalid-refresh-token");
    for service in &services {
        until_revoked(service, &access).await;
    }
    let (access, _) = tokens(&refresh(&services[1], &other).await);
    assert_eq!(rename(&services[0], &access).await.status, 204, "another session goes on");
    for bad in ["x", &format!("{other}x"), "user.ana.*.x"] {
        refresh(&services[0], bad).await.refused(401, "invalid-refresh-token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_concurrent_refreshes_count_as_one() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    let (_, first) = signed_in(&service).await;
    let answers = futures::future::join_all((0..100).map(|_| refresh(&service, &first))).await;
    let (_, second) = tokens(&answers[0]);
    for answer in answers {
        // A request that loses every race is answered `contended`.
        assert!(answer.status == 409 || tokens(&answer).1 == second, "{answer:?}");
    }
    tokens(&refresh(&service, &second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_ends_one_session_or_all_sessions() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    let sessions = Sessions::new(installation.buckets().await);
    let stored = async || {
        let mut count = 0;
        for key in sessions.of("user", &"ana".parse().unwrap()).await.unwrap() {
            count += usize::from(sessions.get(&key).await.unwrap().is_some());
        }
        count
    };
    let [(mine, my_refresh), (others, other_refresh)] = [signed_in(&service).await, signed_in(&service).await];
    let printed = installation.token_signer.token(Bearer::User("ana"), std::time::Duration::from_hours(12));
    let printed_operator =
        installation.token_signer.token(Bearer::Operator("ana"), std::time::Duration::from_hours(12));
    let sign_out = async |token: &str, path: &str| service.ask_with(token, Method::DELETE, path, None).await;

    sign_out(&printed, "/sessions/current").await.refused(404, "no-session");
    assert_eq!(sign_out(&mine, "/sessions/current").await.status, 204);
    until_revoked(&service, &mine).await;
    refresh(&service, &my_refresh).await.refused(401, "invalid-refresh-token");
    assert_eq!((rename(&service, &others).await.status.as_u16(), stored().await), (204, 1));

    assert_eq!(sign_out(&others, "/sessions").await.status, 204);
    for token in [&others, &printed] {
        until_revoked(&service, token).await;
    }
    refresh(&service, &other_refresh).await.refused(401, "invalid-refresh-token");
    assert_eq!(stored().await, 0);
    // The same id in another role is another account.
    sign_out(&printed_operator, "/sessions/current").await.refused(404, "no-session");

    // A sign-in right afterwards works. Its session ends with the erasure of the user.
    let (access, refresh_token) = signed_in(&service).await;
    assert_eq!(rename(&service, &access).await.status, 204);
    assert_eq!(service.ask_with(&access, Method::DELETE, "/users/me", None).await.status, 204);
    until_revoked(&service, &access).await;
    refresh(&service, &refresh_token).await.refused(401, "invalid-refresh-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_with_their_devices_and_ended_one_by_one() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    for (id, name) in [("ana", "Ana"), ("ben", "Ben")] {
        service.register(id, PASSWORD, name).await.created();
    }
    let body = json!({ "user_id": "ana", "password": PASSWORD, "device": " Ana's phone " });
    let request = service.client.post(format!("{}/sessions", service.url)).header("user-agent", "App/2 (Phone)");
    let session: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    let phone = session["access_token"].as_str().unwrap();
    let phone_refresh = session["refresh_token"].as_str().unwrap();
    let (laptop, laptop_refresh) = signed_in(&service).await;
    let (bens, _) = tokens(&service.sign_in("ben", PASSWORD).await);
    let list = async |token: &str| service.ask_with(token, Method::GET, "/sessions", None).await.items();
    let end = async |token: &str, id: &Value| {
        service.ask_with(token, Method::DELETE, &format!("/sessions/{}", id.as_str().unwrap()), None).await
    };

    let (on_laptop, _) = tokens(&refresh(&service, &laptop_refresh).await);
    let listed = list(phone).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let (others, mine) = (&listed[0], &listed[1]);
    assert_eq!((&mine["current"], &others["current"]), (&json!(true), &json!(false)));
    assert_eq!((&mine["device"], &mine["user_agent"]), (&json!("Ana's phone"), &json!("App/2 (Phone)")));
    assert_eq!((&others["device"], &others["user_agent"]), (&Value::Null, &Value::Null));
    assert_eq!(mine["created_at"], mine["last_used_at"]);
    assert!(others["created_at"].as_str() < others["last_used_at"].as_str(), "{others}");
    assert_eq!(list(&laptop).await[0]["current"], json!(true));

    end(&bens, &mine["id"]).await.refused(404, "session-not-found");
    assert_eq!(rename(&service, phone).await.status, 204, "another user ends nothing");
    end(phone, &json!("0".repeat(32))).await.refused(404, "session-not-found");
    end(phone, &json!("current%2A")).await.refused(404, "not-found");
    for _ in 0..2 {
        assert_eq!(end(phone, &others["id"]).await.status, 204);
    }
    for token in [&laptop, &on_laptop] {
        until_revoked(&service, token).await;
    }
    assert_eq!(list(phone).await.len(), 1);
    refresh(&service, phone_refresh).await.ok();
    for wrong in [json!(""), json!("x".repeat(65)), json!("two\nlines"), json!(7)] {
        let body = json!({ "user_id": "ana", "password": PASSWORD, "device": wrong });
        service.ask(None, None, Method::POST, "/sessions", Some(body)).await.refused(422, "invalid-body");
    }
    // Printed tokens and operators have no sessions here.
    let printed = service.token(Bearer::Operator("ana"));
    assert_eq!(list(&printed).await, Vec::<Value>::new());
    service.ask_with(&printed, Method::GET, "/sessions?limit=1", None).await.refused(400, "invalid-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_ended_sessions_are_forgotten() {
    let installation = Installation::start().await;
    let service = installation.service(&["--sessions-per-user", "2"]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    for _ in 0..3 {
        signed_in(&service).await;
    }
    let sessions = Sessions::new(installation.buckets().await);
    let mut keys = sessions.of("user", &"ana".parse().unwrap()).await.unwrap();
    assert_eq!(keys.len(), 3);
    keys.sort_by(|one, other| one.session.cmp(&other.session));
    assert!(sessions.get(&keys[0]).await.unwrap().is_none() && sessions.is_known(&keys[0]).await.unwrap());
    let admin = service_kit::nats::connect(&installation.nats.url(Account::Admin), "test").await.unwrap();
    let stream = jetstream::new(admin).get_stream("KV_sessions").await.unwrap();
    let subject = format!("$KV.sessions.user.ana.{}", keys[0].session);
    let ended = stream.get_last_raw_message_by_subject(&subject).await.unwrap();
    assert_eq!(ended.headers.get("Nats-TTL").map(async_nats::HeaderValue::as_str), Some("600"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_erased_with_the_password_or_a_recent_sign_in_only() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    for (id, name) in [("ana", "Ana"), ("ben", "Ben")] {
        service.register(id, PASSWORD, name).await.created();
    }
    let of_old = async |user: &str| {
        let (access, _) = tokens(&service.sign_in(user, PASSWORD).await);
        let sessions = Sessions::new(installation.buckets().await);
        let key = sessions.of("user", &user.parse().unwrap()).await.unwrap().pop().unwrap();
        let age = chrono::TimeDelta::minutes(6);
        let token = installation.token_signer.session_token(user, &key.session, age);
        assert_eq!(service.ask_with(&token, Method::GET, "/sessions", None).await.items().len(), 1);
        (access, token)
    };
    let erase =
        async |token: &str, body: Option<Value>| service.ask_with(token, Method::DELETE, "/users/me", body).await;
    let (_, old) = of_old("ana").await;
    let old_printed = installation.token_signer.token_since(
        Bearer::User("ana"),
        service_kit::clock::now() - chrono::TimeDelta::minutes(6),
        chrono::TimeDelta::minutes(15),
    );
    for token in [&old, &old_printed] {
        erase(token, None).await.refused(403, "recent-sign-in-needed");
        erase(token, Some(json!({}))).await.refused(403, "recent-sign-in-needed");
        erase(token, Some(json!({ "password": null }))).await.refused(403, "recent-sign-in-needed");
    }
    erase(&old, Some(json!({ "password": "short" }))).await.refused(422, "invalid-body");
    erase(&old, Some(json!({ "password": "battery staple" }))).await.refused(401, "wrong-credentials");
    assert_eq!(rename(&service, &old).await.status, 204, "nothing is erased yet");
    assert_eq!(erase(&old, Some(json!({ "password": PASSWORD }))).await.status, 204);
    until_revoked(&service, &old).await;
    service.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");

    let (fresh, old) = of_old("ben").await;
    // A wrong password counts even with a fresh token, and the guesses are those of sign-ins.
    erase(&fresh, Some(json!({ "password": "battery staple" }))).await.refused(401, "wrong-credentials");
    let is_throttled = |answer: Answer| answer.code().as_deref() == Some("too-many-attempts");
    until("the guesses are throttled", async || {
        is_throttled(erase(&old, Some(json!({ "password": "battery staple" }))).await)
    })
    .await;
    until("so are sign-ins", async || is_throttled(service.sign_in("ben", "battery staple").await)).await;
    assert_eq!(erase(&fresh, None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_erasure_of_a_user_leaves_an_operator_with_the_same_id() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let accounts = Accounts::new(installation.buckets().await);
    let ops = "ops".parse().unwrap();
    accounts.create_active(&ops, "hash".to_owned(), "operator", service_kit::clock::now()).await.unwrap();
    service.delete(Bearer::User("ops"), "/users/me").await.done();
    assert!(accounts.get(&ops).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_expires_without_a_refresh() {
    let installation = Installation::start().await;
    let service = installation.service(&["--session-lifetime", "1ms"]).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    let (_, token) = signed_in(&service).await;
    refresh(&service, &token).await.refused(401, "invalid-refresh-token");
}

async fn key_ids(service: &Service) -> Vec<String> {
    let response = service.client.get(format!("{}/.well-known/jwks.json", service.url)).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "public, max-age=30");
    let keys: Value = response.json().await.unwrap();
    let ids = keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_published_then_signs_and_then_replaces_the_former_one() {
    let installation = Installation::start().await;
    let settings = ["--key-lead", "3s", "--key-retention", "3s"];
    let service = installation.service(&settings).await;
    service.register("ana", PASSWORD, "Ana").await.created();
    until("the first key is known", async || key_ids(&service).await.len() == 1).await;
    let before = key_ids(&service).await;
    let (old, _) = signed_in(&service).await;
    keys::rotate(installation.folder()).unwrap();
    until("both keys are known", async || key_ids(&service).await.len() == 2).await;
    let (between, _) = signed_in(&service).await;
    assert_eq!(header(&between), header(&old), "others are still learning the new key");
    until("the new key signs", async || header(&signed_in(&service).await.0) != header(&old)).await;
    assert_eq!(rename(&service, &old).await.status, 204);
    until("the former key is forgotten", async || key_ids(&service).await.len() == 1).await;
    assert_ne!(key_ids(&service).await, before);
    rename(&service, &old).await.refused(401, "invalid-token");
    // The file of the former key still exists, and does not bring it back.
    let another = installation.service(&settings).await;
    rename(&another, &old).await.refused(401, "invalid-token");
    let (new, _) = signed_in(&another).await;
    assert_eq!(rename(&service, &new).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_bucket_gets_the_newest_key_and_no_former_one() {
    let installation = Installation::start().await;
    let caches = tempfile::tempdir().unwrap();
    let cache = caches.path().join("trust.json");
    let arguments = ["--trust-cache", cache.to_str().unwrap()];
    let service = installation.service(&arguments).await;
    keys::rotate(installation.folder()).unwrap();
    until("both keys are published", async || key_ids(&service).await.len() == 2).await;
    service.stop().await;

    let url = installation.nats.url(Account::Admin);
    let admin = service_kit::nats::connect(&url, "test").await.unwrap();
    jetstream::new(admin).delete_stream("KV_signing_keys").await.unwrap();
    let options = ProvisionOptions { partitions: 4, replicas: 1 };
    streams::provision(&url, options).await.unwrap();
    // The cache of the first service still has both keys as published.
    let services = [installation.service(&arguments).await, installation.service(&[]).await];
    for service in &services {
        until("the newest key is known, and no other", async || key_ids(service).await.len() == 1).await;
    }
    services[0].register("ana", PASSWORD, "Ana").await.created();
    let (access, _) = signed_in(&services[0]).await;
    for service in &services {
        assert_eq!(rename(service, &access).await.status, 204);
    }
}

fn header(token: &str) -> &str {
    token.split('.').next().unwrap()
}
