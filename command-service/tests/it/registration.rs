//! Registration, interrupted at every step.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use credentials::{AccountState, Accounts};
use domain::UserId;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use testing::{Answer, wait::until};

use crate::app::{Installation, PASSWORD};

fn ana() -> UserId {
    "ana".parse().unwrap()
}

/// Puts the account in its state before the last step of the registration.
async fn make_pending(accounts: &Accounts, user_id: &UserId, age: TimeDelta) {
    let stored = accounts.get(user_id).await.unwrap().unwrap();
    accounts.delete(user_id, stored.revision).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let at = Utc::now() - age;
    accounts.create_pending(user_id, stored.account.password_hash, stored.account.role, at).await.unwrap();
}

async fn state(accounts: &Accounts, user_id: &UserId) -> Option<AccountState> {
    accounts.get(user_id).await.unwrap().map(|stored| stored.account.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_an_interrupted_registration_completes_it() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let accounts = Accounts::new(installation.buckets().await);
    let first = service.register("ana", PASSWORD, "Ana").await;
    first.created();
    for age in [TimeDelta::zero(), TimeDelta::days(3)] {
        make_pending(&accounts, &ana(), age).await;
        // Another password never completes it, however old it is.
        service.register("ana", "another password", "Ana").await.refused(409, "user-exists");
        assert_eq!(state(&accounts, &ana()).await, Some(AccountState::Pending));
        let again = service.register("ana", PASSWORD, "Ana").await;
        again.created();
        assert_eq!((again.position(), again.is_replay()), (first.position(), true));
        assert_eq!(state(&accounts, &ana()).await, Some(AccountState::Active));
    }
    service.sign_in("ana", "another password").await.refused(401, "wrong-credentials");
    assert_eq!(service.sign_in("ana", PASSWORD).await.status, 200);
    service.register("ana", PASSWORD, "Ana").await.refused(409, "user-exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_account_without_a_user_is_reserved_for_its_owner_and_then_free() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let accounts = Accounts::new(installation.buckets().await);
    // The account of another user with the same password, for its hash.
    service.register("model", PASSWORD, "Model").await.created();
    let model = accounts.get(&"model".parse().unwrap()).await.unwrap().unwrap().account;
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let now = Utc::now();
    for (user_id, at) in [("ana", now), ("ben", now), ("cyd", now - TimeDelta::minutes(11))] {
        let (hash, role) = (model.password_hash.clone(), model.role.clone());
        accounts.create_pending(&user_id.parse().unwrap(), hash, role, at).await.unwrap();
    }
    service.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");
    service.register("ana", "another password", "Ana").await.refused(409, "user-exists");
    service.register("ana", PASSWORD, "Ana").await.created();
    assert_eq!(service.sign_in("ana", PASSWORD).await.status, 200);
    // A taken nickname ends the attempt and deletes the account.
    service.register("ben", PASSWORD, "ANA").await.refused(409, "nickname-taken");
    assert_eq!(state(&accounts, &"ben".parse().unwrap()).await, None);
    // After a while any registration may take the id.
    service.register("cyd", "another password", "Cyd").await.created();
    service.sign_in("cyd", PASSWORD).await.refused(401, "wrong-credentials");
    assert_eq!(service.sign_in("cyd", "another password").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_identical_registrations_create_one_user_with_one_account() {
    let installation = Installation::start().await;
    let services = [installation.service(&[]).await, installation.service(&[]).await];
    let accounts = Accounts::new(installation.buckets().await);
    let names: Vec<String> = (0..20).map(|number| format!("Ana {}", number % 2)).collect();
    let answers =
        join_all(names.iter().enumerate().map(|(number, name)| services[number % 2].register("ana", PASSWORD, name)))
            .await;
    assert!(answers.iter().any(|answer| answer.status == 201 && !answer.is_replay()), "{answers:#?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "user-exists");
    }
    assert_eq!(state(&accounts, &ana()).await, Some(AccountState::Active));
    assert_eq!(services[0].sign_in("ana", PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_cannot_sign_in_even_if_the_account_still_exists() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let accounts = Accounts::new(installation.buckets().await);
    service.register("ana", PASSWORD, "Ana").await.created();
    let account = accounts.get(&ana()).await.unwrap().unwrap().account;
    let bearer = harness::token::Bearer::User("ana");
    service.delete(bearer, "/users/me").await.done();
    assert_eq!(state(&accounts, &ana()).await, None);
    accounts.create_pending(&ana(), account.password_hash, account.role, account.created_at).await.unwrap();
    service.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");
    service.delete(bearer, "/users/me").await.refused(404, "user-not-found");
    assert_eq!(state(&accounts, &ana()).await, None);
}

/// Checks the refusal after the fifth wrong password, unless its wait of one second has passed on a busy machine.
#[track_caller]
fn refused_in_time(last: Instant, answer: &Answer) {
    if last.elapsed() < Duration::from_secs(1) {
        answer.refused(429, "too-many-attempts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessed_repeats_of_a_registration_are_throttled_and_other_users_register() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let register = async |user_id: &str, key: &str, password: &str| {
        let body = json!({ "user_id": user_id, "password": password, "nickname": user_id });
        service.ask(None, Some(key), Method::POST, "/users", Some(body)).await
    };
    for user_id in ["ana", "ben"] {
        register(user_id, "the-key", PASSWORD).await.created();
    }
    let again = register("ana", "the-key", PASSWORD).await;
    assert_eq!((again.created().as_str(), again.is_replay()), ("ana", true));
    // The answer does not reveal either whether the key was used before.
    let mut last = Instant::now();
    for number in 0..5 {
        last = Instant::now();
        let key = if number % 2 == 0 { "the-key" } else { "another-key" };
        register("ana", key, &format!("wrong password {number}")).await.refused(409, "user-exists");
    }
    refused_in_time(last, &register("ana", "the-key", PASSWORD).await);
    refused_in_time(last, &service.sign_in("ana", PASSWORD).await);
    // Sign-ins count here as well. Registrations of other ids are not throttled.
    for _ in 0..5 {
        last = Instant::now();
        service.sign_in("ben", "wrong password").await.refused(401, "wrong-credentials");
    }
    refused_in_time(last, &register("ben", "the-key", PASSWORD).await);
    register("cleo", "the-key", PASSWORD).await.created();
    until("the wait is over", async || {
        let answer = register("ben", "the-key", PASSWORD).await;
        answer.status == 201 && answer.is_replay()
    })
    .await;
}
