//! Clients that disconnect while their request is carried out.

use std::time::Duration;

use credentials::{Accounts, Sessions};
use domain::UserId;
use harness::token::Bearer;
use reqwest::Method;
use serde_json::{Value, json};
use testing::wait::until;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until},
};

use crate::app::{Installation, PASSWORD, Service};

impl Service {
    /// Sends a request and closes the connection after a while, with or without an answer.
    async fn hang_up(&self, token: &str, request: (Method, &str, Option<Value>), after: Duration) {
        let (method, path, body) = request;
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let address = self.url.strip_prefix("http://").unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.set_nodelay(true).unwrap();
        connection.write_all((head + &body).as_bytes()).await.unwrap();
        sleep_until(Instant::now() + after).await;
    }

    /// Signs in; returns the access token.
    async fn signed_in(&self, user_id: &str) -> String {
        let session = self.sign_in(user_id, PASSWORD).await;
        session.json()["access_token"].as_str().unwrap_or_else(|| panic!("{session:?}")).to_owned()
    }
}

/// The number of stored sessions of a user.
async fn count(sessions: &Sessions, role: &str, user_id: &UserId) -> usize {
    let mut count = 0;
    for key in sessions.of(role, user_id).await.unwrap() {
        count += usize::from(sessions.get(&key).await.unwrap().is_some());
    }
    count
}

/// Returns evenly spread times between the arrival of a request and its answer.
fn moments(number: u32, longest: Duration) -> impl Iterator<Item = (u32, Duration)> {
    (0..number).map(move |moment| (moment, longest * moment / number))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_deletes_account_and_sessions_even_if_the_client_disconnects() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let (accounts, sessions) =
        (Accounts::new(installation.buckets().await), Sessions::new(installation.buckets().await));
    for (number, moment) in moments(24, Duration::from_millis(6)) {
        let name = format!("user-{number}");
        let user_id: UserId = name.parse().unwrap();
        service.register(&name, PASSWORD, &name).await.created();
        let token = service.signed_in(&name).await;
        until("the user is erased", async || {
            service.hang_up(&token, (Method::DELETE, "/users/me", None), moment).await;
            let answer = service.patch(Bearer::User(&name), "/users/me", json!({ "nickname": name })).await;
            answer.status == 404
        })
        .await;
        until("nothing is left of the user", async || {
            accounts.get(&user_id).await.unwrap().is_none() && count(&sessions, "user", &user_id).await == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_received_request_is_completed_even_if_the_client_disconnects() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let (accounts, sessions) =
        (Accounts::new(installation.buckets().await), Sessions::new(installation.buckets().await));
    for (number, moment) in moments(8, Duration::from_millis(120)) {
        let name = format!("user-{number}");
        let user_id: UserId = name.parse().unwrap();
        service.register(&name, PASSWORD, &name).await.created();
        let [_, mine] = [service.signed_in(&name).await, service.signed_in(&name).await];
        let before = accounts.get(&user_id).await.unwrap().unwrap().account.password_hash;
        let change = json!({ "old": PASSWORD, "new": "battery staple" });
        service.hang_up(&mine, (Method::PUT, "/users/me/password", Some(change)), moment).await;
        until("the password is another, and other sessions have ended", async || {
            let account = accounts.get(&user_id).await.unwrap().unwrap().account;
            account.password_hash != before && count(&sessions, "user", &user_id).await == 1
        })
        .await;
        // No wrong password was given. A request that stopped half-way would count as one.
        assert_eq!(service.sign_in(&name, "battery staple").await.status, 200);
    }
    service.stop().await;
}
