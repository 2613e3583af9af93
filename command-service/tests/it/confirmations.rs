//! Confirmation of registrations by a link that a webhook or a command delivers.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_nats::jetstream;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use harness::Account;
use push::signature::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use testing::{Answer, wait::until};
use tokio::net::TcpListener;

use crate::app::{Installation, PASSWORD, Service};

const LINK: &str = "https://chat.example/confirm?token=";

/// A receiver of links, which answers with these statuses and then with 204. 0 stands for no answer.
#[derive(Clone)]
struct Receiver {
    url: String,
    secret: Secret,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    received: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/links", listener.local_addr().unwrap()),
            secret: Secret::generate(),
            statuses: Arc::new(Mutex::new(statuses.iter().copied().collect())),
            received: Arc::default(),
        };
        let this = receiver.clone();
        let answer = post(async move |headers: HeaderMap, body: Bytes| this.receive(&headers, &body).await);
        tokio::spawn(axum::serve(listener, Router::new().route("/links", answer)).into_future());
        receiver
    }

    async fn receive(&self, headers: &HeaderMap, body: &Bytes) -> StatusCode {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!(header("webhook-signature"), self.secret.sign(&id, timestamp.parse().unwrap(), body));
        self.received.lock().unwrap().push((id, serde_json::from_slice(body).unwrap()));
        let status = self.statuses.lock().unwrap().pop_front();
        match status {
            Some(0) => std::future::pending().await,
            status => StatusCode::from_u16(status.unwrap_or(204)).unwrap(),
        }
    }

    fn received(&self) -> Vec<(String, Value)> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for this number of requests and returns the token of the last one.
    async fn token(&self, count: usize) -> String {
        until("the link is delivered", async || self.received().len() >= count).await;
        let received = self.received();
        received[count - 1].1["data"]["link"].as_str().unwrap().strip_prefix(LINK).unwrap().to_owned()
    }

    /// Waits for the link of a contact address and returns its token.
    async fn token_of(&self, contact: &str) -> String {
        let of_contact = || self.received().into_iter().find(|(_, request)| request["data"]["contact"] == contact);
        until("the link is delivered", async || of_contact().is_some()).await;
        let (_, request) = of_contact().unwrap();
        request["data"]["link"].as_str().unwrap().strip_prefix(LINK).unwrap().to_owned()
    }

    /// Starts a service that delivers links here.
    async fn service(&self, installation: &Installation, more: &[&str]) -> Service {
        let file = installation.folder().join("confirmation-secret");
        std::fs::write(&file, self.secret.reveal()).unwrap();
        let settings = ["--registration-confirmation", "webhook", "--confirmation-link", LINK];
        let webhook = ["--confirmation-webhook", &self.url];
        let secret = ["--confirmation-webhook-secret-file", file.to_str().unwrap()];
        installation.service(&[&settings[..], &webhook, &secret, more].concat()).await
    }
}

async fn register(service: &Service, id: &str, nickname: &str, contact: &str) -> Answer {
    let body = json!({ "user_id": id, "password": PASSWORD, "nickname": nickname, "contact": contact });
    service.ask(None, None, Method::POST, "/users", Some(body)).await
}

async fn confirm(service: &Service, body: Value) -> Answer {
    service.ask(None, None, Method::POST, "/users/confirmations", Some(body)).await
}

/// Returns the stored account of ana, as text.
async fn stored_account(installation: &Installation) -> Option<String> {
    let admin = service_kit::nats::connect(&installation.nats.url(Account::Admin), "test").await.unwrap();
    let stream = jetstream::new(admin).get_stream("KV_accounts").await.unwrap();
    let message = stream.get_last_raw_message_by_subject("$KV.accounts.ana").await.ok()?;
    Some(String::from_utf8(message.payload.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_waits_for_its_link_and_nothing_of_it_is_in_the_log_before() {
    let (installation, receiver) = (Installation::start().await, Receiver::start(&[]).await);
    let service = receiver.service(&installation, &[]).await;
    service.register("ana", PASSWORD, "Ana").await.refused(422, "invalid-body");
    for bad in ["", "ana", "-x@mail.example", "ana@mail.example, ben@mail.example"] {
        register(&service, "ana", "Ana", bad).await.refused(422, "invalid-body");
    }
    let answer = register(&service, "ana", "Ana", "ana@mail.example").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["id"], answer.header("event-position")),
        (202, &json!("ana"), None)
    );
    service.sign_in("ana", PASSWORD).await.refused(403, "unconfirmed");
    service.sign_in("ana", "battery staple").await.refused(401, "wrong-credentials");
    assert!(stored_account(&installation).await.unwrap().contains("ana@mail.example"));

    let token = receiver.token(1).await;
    let (_, request) = &receiver.received()[0];
    assert_eq!(request["type"], "registration.confirmation");
    let data = &request["data"];
    assert_eq!(
        (&data["user_id"], &data["nickname"], &data["contact"]),
        (&json!("ana"), &json!("Ana"), &json!("ana@mail.example"))
    );
    // A repeat does not send the link again at once. Another password is another user.
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.status, 202);
    let body =
        json!({ "user_id": "ana", "password": "battery staple", "nickname": "Eve", "contact": "eve@mail.example" });
    service.ask(None, None, Method::POST, "/users", Some(body)).await.refused(409, "user-exists");

    for bad in ["x", &format!("{token}0"), &token.replacen("ana", "ben", 1)] {
        confirm(&service, json!({ "token": bad })).await.refused(403, "invalid-confirmation");
    }
    confirm(&service, json!({ "token": "" })).await.refused(422, "invalid-body");
    let confirmed = confirm(&service, json!({ "token": token })).await;
    assert_eq!(confirmed.created(), "ana");
    assert!(!confirmed.is_replay() && !confirmed.position().is_empty());
    let again = confirm(&service, json!({ "token": token })).await;
    assert!(again.created() == "ana" && again.is_replay());
    assert_eq!(service.sign_in("ana", PASSWORD).await.status, 200);
    register(&service, "ana", "Ana", "ana@mail.example").await.refused(409, "user-exists");
    assert!(!stored_account(&installation).await.unwrap().contains("mail.example"), "the address is forgotten");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_or_failing_hook_delays_no_registration_and_is_tried_again() {
    let (installation, receiver) = (Installation::start().await, Receiver::start(&[0, 500]).await);
    let service = receiver.service(&installation, &["--confirmation-timeout", "1"]).await;
    let before = Instant::now();
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.status, 202);
    let took = before.elapsed();
    until("the hook hangs", async || receiver.received().len() == 1).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    // The first attempt hangs, the second one fails.
    let token = receiver.token(3).await;
    let ids: Vec<String> = receiver.received().into_iter().map(|(id, _)| id).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    assert_eq!(confirm(&service, json!({ "token": token })).await.created(), "ana");

    // Without any receiver the registration is the same.
    let nowhere = Receiver { url: "http://127.0.0.1:1/".to_owned(), ..receiver };
    let service = nowhere.service(&installation, &[]).await;
    assert_eq!(register(&service, "ben", "Ben", "ben@mail.example").await.status, 202);
    service.sign_in("ben", PASSWORD).await.refused(403, "unconfirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_registration_expires_and_its_account_is_removed() {
    let (installation, receiver) = (Installation::start().await, Receiver::start(&[]).await);
    let service = receiver.service(&installation, &["--confirmation-lifetime", "1s"]).await;
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.status, 202);
    let token = receiver.token(1).await;
    until("the account is removed", async || stored_account(&installation).await.is_none()).await;
    confirm(&service, json!({ "token": token })).await.refused(403, "invalid-confirmation");
    service.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");
    let other =
        json!({ "user_id": "ana", "password": "battery staple", "nickname": "Ana", "contact": "b@mail.example" });
    let answer = service.ask(None, None, Method::POST, "/users", Some(other)).await;
    assert_eq!(answer.status, 202, "another user takes the id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nickname_that_was_taken_in_the_meantime_is_replaced_and_links_are_limited() {
    let (installation, receiver) = (Installation::start().await, Receiver::start(&[]).await);
    let service = receiver.service(&installation, &[]).await;
    let open = installation.service(&[]).await;
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.status, 202);
    let first = receiver.token_of("ana@mail.example").await;
    open.register("anna", PASSWORD, "Ana").await.created();
    confirm(&service, json!({ "token": first })).await.refused(409, "nickname-taken");

    // The link of a corrected address replaces the former one.
    assert_eq!(register(&service, "ana", "Ana", "ana@post.example").await.status, 202);
    let second = receiver.token_of("ana@post.example").await;
    confirm(&service, json!({ "token": first, "nickname": "Annabel" })).await.refused(403, "invalid-confirmation");
    for number in 3..=5 {
        let contact = format!("ana@post{number}.example");
        assert_eq!(register(&service, "ana", "Ana", &contact).await.status, 202);
    }
    let last = receiver.token_of("ana@post5.example").await;
    let refused = register(&service, "ana", "Ana", "ana@post6.example").await;
    refused.refused(429, "too-many-confirmations");
    assert!(refused.header("retry-after").is_some());
    confirm(&service, json!({ "token": second, "nickname": "Annabel" })).await.refused(403, "invalid-confirmation");
    assert_eq!(confirm(&service, json!({ "token": last, "nickname": "Annabel" })).await.created(), "ana");

    // One address gets at most five links in an hour, whatever the user.
    for number in 0..5 {
        let (id, contact) = (format!("user-{number}"), "Victim@mail.example");
        assert_eq!(register(&service, &id, &id, contact).await.status, 202);
    }
    register(&service, "user-5", "user-5", "victim@mail.example").await.refused(429, "too-many-confirmations");
    register(&service, "user-5", "user-5", "other@mail.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_link_and_no_secret_of_the_service() {
    let installation = Installation::start().await;
    let script = installation.folder().join("deliver.sh");
    let output = installation.folder().join("output");
    let text = format!(
        "read -r link\n[ \"$1\" = hello ] || exit 3\n{{ echo \"$link\"; env; }} > {0}.new\nmv {0}.new {0}\n",
        output.display()
    );
    std::fs::write(&script, text).unwrap();
    let command = format!("sh {} hello", script.display());
    let settings = ["--registration-confirmation", "command", "--confirmation-link", LINK];
    let service = installation.service(&[&settings[..], &["--confirmation-command", &command]].concat()).await;
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.status, 202);
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    until("the command has run", async || read(&output).is_some()).await;
    let output = read(&output).unwrap();
    let token = output.lines().next().unwrap().strip_prefix(LINK).unwrap().to_owned();
    for expected in [
        "BOXROOM_CONTACT=ana@mail.example".to_owned(),
        "BOXROOM_USER_ID=ana".to_owned(),
        "BOXROOM_NICKNAME=Ana".to_owned(),
        format!("BOXROOM_LINK={LINK}{token}"),
    ] {
        assert!(output.lines().any(|line| line == expected), "{expected}: {output}");
    }
    assert!(!output.contains("CARGO"), "only a few variables are inherited: {output}");
    assert_eq!(confirm(&service, json!({ "token": token })).await.created(), "ana");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmation_that_is_off_takes_no_token_and_ignores_the_contact() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.created(), "ana");
    assert!(!stored_account(&installation).await.unwrap().contains("mail.example"));
    confirm(&service, json!({ "token": "x" })).await.refused(403, "invalid-confirmation");
}

#[test]
fn incomplete_settings_are_refused() {
    use clap::Parser;
    let required = ["command-service", "--nats-url", "nats://x", "--signing-keys", "x"];
    let files = ["--request-secret-file", "x", "--master-key-file", "x"];
    let parses = |more: &[&str]| {
        let arguments = required.iter().chain(&files).chain(more);
        command_service::settings::Settings::try_parse_from(arguments).is_ok()
    };
    let [webhook, command] = ["webhook", "command"].map(|way| ["--registration-confirmation", way]);
    let link = ["--confirmation-link", LINK];
    assert!(parses(&[]) && !parses(&webhook) && !parses(&[&webhook[..], &link].concat()));
    assert!(
        !parses(&[&command[..], &link].concat()) && !parses(&[&command[..], &["--confirmation-command", "x"]].concat())
    );
    assert!(parses(&[&command[..], &link, &["--confirmation-command", "mail -s hello"]].concat()));
    for bad in ["0s", "8d", "x"] {
        assert!(!parses(&["--confirmation-lifetime", bad]), "{bad}");
    }
}

/// Changes the stored account of ana.
async fn change_account(installation: &Installation, change: impl FnOnce(&mut Value)) {
    let mut account: Value = serde_json::from_str(&stored_account(installation).await.unwrap()).unwrap();
    change(&mut account);
    let admin = service_kit::nats::connect(&installation.nats.url(Account::Admin), "test").await.unwrap();
    let accounts = jetstream::new(admin).get_key_value("accounts").await.unwrap();
    accounts.put("ana", account.to_string().into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_meets_a_confirmed_account_does_not_make_it_wait_again() {
    let (installation, receiver) = (Installation::start().await, Receiver::start(&[]).await);
    let service = receiver.service(&installation, &[]).await;
    assert_eq!(register(&service, "ana", "Ana", "ana@mail.example").await.status, 202);
    // What a repeat sees that has read the user before the confirmation, and the account after it.
    change_account(&installation, |account| {
        account["state"] = json!("active");
        account.as_object_mut().unwrap().remove("confirmation");
    })
    .await;
    let confirmed = stored_account(&installation).await;
    register(&service, "ana", "Ana", "ana@mail.example").await.refused(409, "user-exists");
    assert_eq!(stored_account(&installation).await, confirmed);
    // While the user is being registered, there is no further link.
    change_account(&installation, |account| {
        account["state"] = json!("pending");
        account["confirmation"] = json!({
            "nonce": "former", "contact": "ana@mail.example", "nickname": "Ana", "sent": 1,
            "sent_at": "2026-01-01T00:00:00Z",
            "expires_at": "2099-01-01T00:00:00Z",
        });
    })
    .await;
    let pending = stored_account(&installation).await;
    assert_eq!(register(&service, "ana", "Ana", "other@mail.example").await.status, 202);
    assert_eq!(stored_account(&installation).await, pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_completes_an_interrupted_confirmation() {
    let (installation, receiver) = (Installation::start().await, Receiver::start(&[]).await);
    let service = receiver.service(&installation, &[]).await;
    register(&service, "ana", "Ana", "ana@mail.example").await;
    let waiting: Value = serde_json::from_str(&stored_account(&installation).await.unwrap()).unwrap();
    confirm(&service, json!({ "token": receiver.token(1).await })).await.created();
    // As if the process had crashed before the account was confirmed.
    change_account(&installation, |account| {
        account["state"] = json!("pending");
        account["confirmation"] = waiting["confirmation"].clone();
    })
    .await;
    assert!(stored_account(&installation).await.unwrap().contains("ana@mail.example"));
    assert_eq!(service.sign_in("ana", PASSWORD).await.status, 200);
    assert!(!stored_account(&installation).await.unwrap().contains("ana@mail.example"));
}
