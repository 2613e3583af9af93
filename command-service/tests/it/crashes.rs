//! Crashes of a command-service between two effects of a request, and the completion of such requests.

use chrono::{DateTime, Utc};
use credentials::{Accounts, SessionKey, SessionRecord, Sessions};
use domain::BoxId;
use harness::{Account, token::Bearer};
use reqwest::Method;
use serde_json::json;
use testing::Answer;

use crate::app::{Installation, PASSWORD, Service};

const SECRET: &str = "what-an-operator-gave-to-the-box-8264";

/// Returns the refresh token of a session and the key of its entry.
fn session_of(answer: &Answer) -> (String, SessionKey) {
    let token = answer.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let (role, session) = (parts[0].to_owned(), parts[2].to_owned());
    let key = SessionKey { role, user_id: parts[1].parse().unwrap(), session };
    (token, key)
}

async fn refresh(service: &Service, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    service.ask(None, None, Method::POST, "/sessions/refresh", Some(body)).await
}

/// The buckets beside the log.
struct Beside {
    accounts: Accounts,
    sessions: Sessions,
}

impl Beside {
    async fn of(installation: &Installation) -> Self {
        let buckets = installation.buckets().await;
        Self { accounts: Accounts::new(buckets.clone()), sessions: Sessions::new(buckets) }
    }

    /// Returns the password hash of an account.
    async fn hash(&self, user_id: &str) -> String {
        self.accounts.get(&user_id.parse().unwrap()).await.unwrap().unwrap().account.password_hash
    }

    /// Changes the password without ending sessions, like a request that a crash interrupted.
    async fn change_password(&self, user_id: &str, hash: &str, kept: Option<String>) {
        let stored = self.accounts.get(&user_id.parse().unwrap()).await.unwrap().unwrap();
        self.accounts.change_password(stored, hash.to_owned(), kept).await.unwrap();
    }

    async fn family(&self, key: &SessionKey) -> Option<SessionRecord> {
        self.sessions.get(key).await.unwrap().map(|(family, _)| family)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_change_ends_sessions_even_if_the_service_crashes_in_between() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let beside = Beside::of(&installation).await;
    for name in ["ana", "ben"] {
        service.register(name, PASSWORD, name).await.created();
    }
    let (mine, my_key) = session_of(&service.sign_in("ana", PASSWORD).await);
    let (others, other_key) = session_of(&service.sign_in("ana", PASSWORD).await);
    beside.change_password("ana", &beside.hash("ben").await, Some(my_key.session.clone())).await;
    refresh(&service, &others).await.refused(401, "invalid-refresh-token");
    assert!(beside.family(&other_key).await.is_none());
    let (mine, _) = session_of(&refresh(&service, &mine).await);
    let (mine, _) = session_of(&refresh(&service, &mine).await);
    beside.change_password("ana", "another", None).await;
    refresh(&service, &mine).await.refused(401, "invalid-refresh-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_cannot_continue_with_replaced_credentials_or_after_retirement() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let beside = Beside::of(&installation).await;
    let (operator, box_id): (_, BoxId) = (Bearer::Operator("ops"), "b".parse().unwrap());
    service.furnish("b").await;
    assert_eq!(service.put(operator, "/boxes/b/credentials", json!({ "secret": SECRET })).await.status, 204);
    let hash = beside.accounts.get_box(&box_id).await.unwrap().unwrap().account.password_hash;
    let sign_in = async || {
        let body = json!({ "secret": SECRET });
        session_of(&service.ask(None, None, Method::POST, "/boxes/b/sessions", Some(body)).await)
    };
    let (token, _) = sign_in().await;
    beside.accounts.put_box(&box_id, "another".to_owned(), noon()).await.unwrap();
    refresh(&service, &token).await.refused(401, "invalid-refresh-token");

    beside.accounts.put_box(&box_id, hash.clone(), noon()).await.unwrap();
    let (token, key) = sign_in().await;
    let family = beside.family(&key).await.unwrap();
    service.delete(operator, "/boxes/b").await.done();
    beside.accounts.put_box(&box_id, hash, noon()).await.unwrap();
    beside.sessions.create(&key, &family).await.unwrap();
    refresh(&service, &token).await.refused(401, "invalid-refresh-token");
    assert!(beside.family(&key).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_an_erased_user_is_deleted_before_the_key_is_destroyed() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let beside = Beside::of(&installation).await;
    let ana = "ana".parse().unwrap();
    service.register("ana", PASSWORD, "Ana").await.created();
    let (token, key) = session_of(&service.sign_in("ana", PASSWORD).await);
    let (hash, family) = (beside.hash("ana").await, beside.family(&key).await.unwrap());
    service.delete(Bearer::User("ana"), "/users/me").await.done();
    // As if the service had crashed before it deleted them.
    let leave = async || {
        beside.accounts.create_pending(&ana, hash.clone(), "user".to_owned(), noon()).await.unwrap();
        beside.sessions.create(&key, &family).await.unwrap();
    };
    leave().await;
    refresh(&service, &token).await.refused(401, "invalid-refresh-token");
    assert!(beside.family(&key).await.is_none());

    let left = beside.accounts.get(&ana).await.unwrap().unwrap();
    beside.accounts.delete(&ana, left.revision).await.unwrap();
    leave().await;
    let eraser = service_kit::nats::connect(&installation.nats.url(Account::Projector), "test").await.unwrap();
    let request = json!({ "user_id": "ana" }).to_string();
    let answer = eraser.request("erasure.destroy_key", request.into()).await.unwrap();
    assert_eq!(answer.payload, "{}");
    assert_eq!(beside.accounts.get(&ana).await.unwrap(), None);
    assert!(beside.family(&key).await.is_none());
}

fn noon() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}
