//! The running service and its clients. Every answer is checked against the service's OpenAPI description.

use std::{path::Path, time::Duration};

use clap::Parser;
use command_service::settings::Settings;
use harness::{
    Account, Nats,
    token::{Bearer, TokenSigner},
};
use provision::keys::{self, KeyFiles};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use testing::{
    Answer,
    requests::{box_details, room_details, store_details},
    wait::until,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::Instant};

use crate::contract::Contract;

pub(crate) const PASSWORD: &str = "correct horse";

/// The quotas of users, which tests do not reach unless they set one.
const QUOTAS: [&str; 11] = [
    "--open-rooms-per-user",
    "--joined-rooms-per-user",
    "--rooms-per-day",
    "--messages-per-minute",
    "--message-bytes-per-day",
    "--nicknames-per-day",
    "--sign-ins-per-day",
    "--sessions-per-user",
    "--passwords-per-caller",
    "--registrations-per-address",
    "--registrations-per-hour",
];

/// A nats-server and the keys of an installation.
pub(crate) struct Installation {
    pub(crate) nats: Nats,
    pub(crate) token_signer: TokenSigner,
    keys: KeyFiles,
    folder: TempDir,
}

impl Installation {
    pub(crate) async fn start() -> Self {
        Self::on(Nats::start(4).await.unwrap())
    }

    pub(crate) fn on(nats: Nats) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys::write(folder.path()).unwrap();
        let token_signer = TokenSigner::read(&keys.signing_keys).unwrap();
        Self { nats, token_signer, keys, folder }
    }

    /// Returns the folder of the keys.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the settings of a service without quotas; `more` are further arguments.
    pub(crate) fn settings(&self, more: &[&str]) -> Settings {
        let url = self.nats.url(Account::Command);
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let KeyFiles { signing_keys, request_secret, master_key } = &self.keys;
        let [signing, secret, master] = [signing_keys, request_secret, master_key].map(|file| path(file));
        let args = ["command-service", "--nats-url", &url, "--signing-keys", &signing];
        let files = ["--request-secret-file", &secret, "--master-key-file", &master];
        let unlimited = QUOTAS.into_iter().filter(|name| !more.contains(name)).flat_map(|name| [name, "0"]);
        Settings::parse_from(args.into_iter().chain(files).chain(unlimited).chain(more.iter().copied()))
    }

    /// Starts a service and waits until it is ready.
    pub(crate) async fn service(&self, more: &[&str]) -> Service {
        let service = self.spawn(more).await;
        service.until_ready().await;
        Service { contract: Some(service.read_contract().await), ..service }
    }

    /// Starts a service without waiting for its readiness.
    pub(crate) async fn spawn(&self, more: &[&str]) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = command_service::run(self.settings(more), listener, async {
            let _ = stopped.await;
        });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(40)).build().unwrap();
        Service {
            url,
            client,
            stop,
            running: tokio::spawn(running),
            token_signer: self.token_signer.clone(),
            contract: None,
        }
    }

    /// Connects to the buckets with the account of the service.
    pub(crate) async fn buckets(&self) -> storage::JetStream {
        self.log().await.server().clone()
    }

    /// Connects to the log with the account of the service.
    pub(crate) async fn log(&self) -> event_store::JetStreamLog {
        let client = service_kit::nats::connect(&self.nats.url(Account::Command), "test").await.unwrap();
        event_store::JetStreamLog::new(client)
    }
}

/// A service in this process.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) client: Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
    token_signer: TokenSigner,
    contract: Option<Contract>,
}

impl Service {
    /// Sends a request as `who`, or without a token, with or without an idempotency key.
    pub(crate) async fn ask(
        &self,
        who: Option<Bearer<'_>>,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let token = who.map(|bearer| self.token(bearer));
        self.send(token.as_deref(), key, method, path, body).await
    }

    /// Returns a token that is valid for ten minutes.
    pub(crate) fn token(&self, who: Bearer<'_>) -> String {
        self.token_signer.token(who, Duration::from_mins(10))
    }

    /// Sends a request with this token.
    pub(crate) async fn ask_with(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.send(Some(token), None, method, path, body).await
    }

    async fn send(
        &self,
        token: Option<&str>,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::read(format!("{method} {path}"), request.send().await.unwrap()).await.unwrap();
        if let Some(contract) = &self.contract {
            contract.check(&method, path, &answer);
        }
        answer
    }

    pub(crate) async fn post(&self, who: Bearer<'_>, path: &str, body: Value) -> Answer {
        self.ask(Some(who), None, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, who: Bearer<'_>, path: &str, body: Value) -> Answer {
        self.ask(Some(who), None, Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, who: Bearer<'_>, path: &str, body: Value) -> Answer {
        self.ask(Some(who), None, Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, who: Bearer<'_>, path: &str) -> Answer {
        self.ask(Some(who), None, Method::DELETE, path, None).await
    }

    pub(crate) async fn register(&self, user_id: &str, password: &str, nickname: &str) -> Answer {
        let body = json!({ "user_id": user_id, "password": password, "nickname": nickname });
        self.ask(None, None, Method::POST, "/users", Some(body)).await
    }

    pub(crate) async fn sign_in(&self, user_id: &str, password: &str) -> Answer {
        let body = json!({ "user_id": user_id, "password": password });
        self.ask(None, None, Method::POST, "/sessions", Some(body)).await
    }

    /// Creates a box and a store with the given id.
    pub(crate) async fn furnish(&self, id: &str) {
        assert_eq!(self.post(Bearer::Operator("ops"), "/boxes", box_details(id)).await.created(), id);
        assert_eq!(self.post(Bearer::Operator("ops"), "/stores", store_details(id)).await.created(), id);
    }

    /// Opens a room for the store with the same id as the box.
    pub(crate) async fn open_room(&self, who: &str, box_id: &str) -> Answer {
        self.post(Bearer::User(who), &format!("/boxes/{box_id}/rooms"), room_details(box_id, 5)).await
    }

    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let response = self.client.get(format!("{}/readyz", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn until_ready(&self) {
        until("the service is ready", async || self.readiness().await.0 == 200).await;
    }

    pub(crate) async fn read_contract(&self) -> Contract {
        let response = self.client.get(format!("{}/openapi.json", self.url)).send().await.unwrap();
        Contract::new(response.json().await.unwrap())
    }

    /// Stops the service and waits for its end.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let before = Instant::now();
        self.running.await.unwrap().unwrap();
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    }

    /// Aborts the task of the service, which is the closest to a crash within this process.
    pub(crate) fn abort(self) {
        self.running.abort();
    }

    /// Waits until the service ends by itself, and returns its result.
    pub(crate) async fn ended(self) -> anyhow::Result<()> {
        self.running.await.unwrap()
    }
}
