//! Tokens of an external issuer instead of accounts of the service.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use harness::token::Bearer;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use rcgen::KeyPair;
use reqwest::Method;
use serde_json::{Value, json};
use testing::wait::until;
use tokio::net::TcpListener;

use crate::app::{Installation, PASSWORD};

/// An issuer with a page of public keys.
struct Issuer {
    address: String,
    page: Arc<Mutex<Value>>,
}

/// A key of the issuer.
struct Key {
    id: &'static str,
    key: EncodingKey,
}

impl Issuer {
    async fn start() -> Self {
        let page = Arc::new(Mutex::new(Value::Null));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let shown = page.clone();
        let answer = get(async move || axum::Json(shown.lock().unwrap().clone()));
        tokio::spawn(axum::serve(listener, Router::new().route("/jwks.json", answer)).into_future());
        Self { address, page }
    }

    fn show(&self, keys: &[&Key]) {
        let keys: Vec<Jwk> = keys.iter().map(|key| key.public()).collect();
        *self.page.lock().unwrap() = json!({ "keys": keys });
    }
}

impl Key {
    fn new(id: &'static str) -> Self {
        let pair = KeyPair::generate().unwrap();
        Self { id, key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap() }
    }

    fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        jwk
    }

    /// Signs a token for ana, with these claims in place of the usual ones.
    fn token(&self, claims: &Value) -> String {
        let now = service_kit::clock::now().timestamp();
        let mut all = json!({
            "iss": "https://login.example", "aud": ["boxroom", "other"], "exp": now + 600, "iat": now, "sub": "4711",
            "name": "ana", "roles": ["guest"], "sid": "s 1",
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.to_owned());
        jsonwebtoken::encode(&header, &all, &self.key).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_an_external_issuer_need_no_account_and_local_tokens_are_refused() {
    let (installation, issuer) = (Installation::start().await, Issuer::start().await);
    let (first, second, unknown) = (Key::new("1"), Key::new("2"), Key::new("1"));
    issuer.show(&[&first]);
    let settings = [
        "--issuer",
        "https://login.example",
        "--issuer-audience",
        "boxroom",
        "--issuer-keys",
        &issuer.address,
        "--issuer-user-claim",
        "name",
        "--issuer-role-claim",
        "roles",
    ];
    let service = installation.service(&settings).await;
    let register = async |token: &str, nickname: &str| {
        service.ask_with(token, Method::POST, "/users", Some(json!({ "nickname": nickname }))).await
    };
    let ana = first.token(&json!({}));
    assert_eq!(register(&ana, "Ana").await.created(), "ana");
    register(&ana, "Ana").await.refused(409, "user-exists");
    register(&first.token(&json!({ "name": "ben" })), "ANA").await.refused(409, "nickname-taken");
    for claims in [
        json!({ "iss": "https://login.example.evil" }),
        json!({ "aud": "other" }),
        json!({ "name": "Ana Lytica" }),
        json!({ "name": null }),
        json!({ "nbf": 4_102_444_800_u64 }),
    ] {
        register(&first.token(&claims), "Eve").await.refused(401, "invalid-token");
    }
    register(&first.token(&json!({ "exp": 1_000_000_000 })), "Eve").await.refused(401, "expired-token");
    register(&unknown.token(&json!({})), "Eve").await.refused(401, "invalid-token");
    service.post(Bearer::User("ana"), "/users", json!({ "nickname": "Eve" })).await.refused(401, "invalid-token");

    service.sign_in("ana", PASSWORD).await.refused(404, "sign-in-elsewhere");
    let refresh = Some(json!({ "refresh_token": "x" }));
    service.ask(None, None, Method::POST, "/sessions/refresh", refresh).await.refused(404, "sign-in-elsewhere");
    let store = json!({ "store_id": "s", "name": "Pizzeria", "zip_code": "04109" });
    service.ask_with(&ana, Method::POST, "/stores", Some(store.clone())).await.refused(403, "forbidden");
    let operator = first.token(&json!({ "name": "ops", "roles": ["guest", "operator"] }));
    service.ask_with(&operator, Method::POST, "/stores", Some(store)).await.created();

    // A token with a key that is not known yet makes the service read the page again.
    issuer.show(&[&first, &second]);
    let renamed = async |token: &str| {
        service.ask_with(token, Method::PATCH, "/users/me", Some(json!({ "nickname": "Anna" }))).await
    };
    let newer = second.token(&json!({ "sid": "s 2" }));
    until("the new key is known", async || renamed(&newer).await.status == 204).await;
    assert_eq!(service.ask_with(&ana, Method::DELETE, "/sessions/current", None).await.status, 204);
    until("the session has ended", async || renamed(&ana).await.code().as_deref() == Some("revoked-token")).await;
    assert_eq!(renamed(&newer).await.status, 204);
    service.ask_with(&newer, Method::GET, "/sessions", None).await.refused(404, "sign-in-elsewhere");
    let one = format!("/sessions/{}", "0".repeat(32));
    service.ask_with(&newer, Method::DELETE, &one, None).await.refused(404, "sign-in-elsewhere");

    // An erasure needs a recent sign-in, and no registration.
    let now = service_kit::clock::now().timestamp();
    let erase = async |claims: Value| service.ask_with(&second.token(&claims), Method::DELETE, "/users/me", None).await;
    for old in [json!({ "sid": "s 2", "iat": now - 360 }), json!({ "sid": "s 2", "auth_time": now - 360 })] {
        erase(old).await.refused(403, "recent-sign-in-needed");
    }
    service.ask_with(&newer, Method::DELETE, "/users/me", Some(json!({ "password": PASSWORD }))).await.done();
    let stranger = json!({ "name": "cleo", "sid": "s 3", "iat": now - 360, "auth_time": now - 10 });
    erase(stranger.clone()).await.done();
    until("no more commands", async || erase(stranger.clone()).await.code().as_deref() == Some("revoked-token")).await;
    register(&second.token(&json!({ "name": "cleo", "sid": "s 4", "iat": now + 20 })), "Cleo")
        .await
        .refused(409, "user-exists");

    let narrow = installation.service(&[&settings[..], &["--issuer-algorithms", "EdDSA,RS256"]].concat()).await;
    narrow.ask_with(&newer, Method::DELETE, "/users/me", None).await.refused(401, "invalid-token");
}
