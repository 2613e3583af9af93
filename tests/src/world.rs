//! A running Boxroom for one test, with users, boxes, stores and rooms.

use std::{sync::Arc, time::Duration};

use harness::{Stack, StackOptions, token::Bearer};
use reqwest::Method;
use serde_json::{Value, json};
use testing::{
    Answer,
    requests::{box_details, room_details, store_details},
};

use crate::{
    live::Live,
    log::Log,
    person::{Person, Services},
};

/// The lifetime of minted tokens.
const SESSION: Duration = Duration::from_hours(1);

/// The password of every account in these tests.
pub const PASSWORD: &str = "correct horse";

/// A stack with its clients. Ends with this value.
#[derive(Debug)]
pub struct World {
    /// The servers and services.
    pub stack: Stack,
    services: Arc<Services>,
}

impl World {
    /// Starts everything, and waits until it is ready.
    pub async fn start(options: StackOptions) -> Self {
        let (commands, queries) = (options.command_services, options.query_services);
        let stack = Box::pin(Stack::start(options)).await.unwrap_or_else(|error| panic!("{error:?}"));
        let commands = (0..commands).map(|index| stack.command_url(index)).collect();
        let queries = (0..queries).map(|index| stack.query_url(index)).collect();
        let services = Arc::new(Services::new(commands, queries, stack.secrets()));
        Self { stack, services }
    }

    /// Starts two command-services and two query-services.
    pub async fn start_doubled() -> Self {
        Self::start(StackOptions { command_services: 2, query_services: 2, ..StackOptions::default() }).await
    }

    /// A user with this id and a valid token, registered or not.
    pub fn person(&self, id: &str) -> Person {
        self.bearer(id, Bearer::User(id))
    }

    /// Several users, registered or not.
    pub fn people(&self, name: &str, size: usize) -> Vec<Person> {
        (0..size).map(|number| self.person(&format!("{name}-{number}"))).collect()
    }

    /// An operator, who manages boxes and stores.
    pub fn operator(&self) -> Person {
        self.operator_called("ops")
    }

    /// A moderator with this id.
    pub fn moderator_called(&self, id: &str) -> Person {
        self.bearer(id, Bearer::Moderator(id))
    }

    /// An operator with this id.
    pub fn operator_called(&self, id: &str) -> Person {
        self.bearer(id, Bearer::Operator(id))
    }

    /// The delivery box with this id as a caller.
    pub fn device(&self, box_id: &str) -> Person {
        self.bearer(box_id, Bearer::Device(box_id))
    }

    fn bearer(&self, id: &str, bearer: Bearer<'_>) -> Person {
        Person::new(id, self.stack.token(bearer, SESSION), Arc::clone(&self.services))
    }

    /// A caller with this id and this token.
    pub fn bearer_of(&self, id: &str, token: &str) -> Person {
        Person::new(id, token.to_owned(), Arc::clone(&self.services))
    }

    /// Registers an account without a token.
    pub async fn register(&self, user_id: &str, password: &str, nickname: &str) -> Answer {
        let body = json!({ "user_id": user_id, "password": password, "nickname": nickname });
        self.anonymous(Method::POST, "/users", body).await
    }

    /// Signs in a user.
    pub async fn sign_in(&self, user_id: &str, password: &str) -> Answer {
        self.anonymous(Method::POST, "/sessions", json!({ "user_id": user_id, "password": password })).await
    }

    /// Signs in a box.
    pub async fn sign_in_box(&self, box_id: &str, secret: &str) -> Answer {
        self.anonymous(Method::POST, &format!("/boxes/{box_id}/sessions"), json!({ "secret": secret })).await
    }

    /// Refreshes a session.
    pub async fn refresh(&self, session: &Value) -> Answer {
        let body = json!({ "refresh_token": session["refresh_token"] });
        self.anonymous(Method::POST, "/sessions/refresh", body).await
    }

    /// Registers an account under an idempotency key. Returns an error if no answer came.
    pub async fn try_to_register(&self, user_id: &str, key: &str) -> Result<Answer, reqwest::Error> {
        let body = json!({ "user_id": user_id, "password": PASSWORD, "nickname": user_id });
        let url = format!("{}/users", self.services.command_url(None));
        let request = self.services.request(Method::POST, &url).header("idempotency-key", key).json(&body);
        Answer::read(format!("POST /users ({user_id})"), request.send().await?).await
    }

    async fn anonymous(&self, method: Method, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.services.command_url(None));
        self.services.hide(&body);
        let response = self.services.request(method.clone(), &url).json(&body).send().await;
        let response = response.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let answer = Answer::read(format!("{method} {path}"), response).await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        self.services.hide(&serde_json::from_slice(&answer.body).unwrap_or_default());
        answer
    }

    /// Registers and signs in a user whose nickname is the id.
    pub async fn user(&self, id: &str) -> Person {
        let registered = self.register(id, PASSWORD, id).await;
        assert_eq!(registered.created(), id);
        let session = self.sign_in(id, PASSWORD).await.ok();
        let person = self.bearer_of(id, session["access_token"].as_str().unwrap_or_default());
        person.remember_position(&registered);
        person
    }

    /// Sets up a box.
    pub async fn install_box(&self, box_id: &str) -> Answer {
        let answer = self.operator().post("/boxes", box_details(box_id)).await;
        assert_eq!(answer.created(), box_id);
        answer
    }

    /// Adds a store to the catalogue.
    pub async fn register_store(&self, store_id: &str) -> Answer {
        let answer = self.operator().post("/stores", store_details(store_id)).await;
        assert_eq!(answer.created(), store_id);
        answer
    }

    /// Sets up a box and its store, and opens a room without a password. Returns the id of the room.
    pub async fn open_room(&self, host: &Person, box_id: &str, max_members: usize) -> String {
        let store_id = format!("store-of-{box_id}");
        self.install_box(box_id).await;
        self.register_store(&store_id).await;
        host.post(format!("/boxes/{box_id}/rooms"), room_details(&store_id, max_members)).await.created()
    }

    /// Lets a user join a room without a password.
    pub async fn join(&self, person: &Person, room: &str) -> Answer {
        let answer = person.post(format!("/rooms/{room}/members"), json!({})).await;
        assert_eq!(answer.created(), person.id());
        answer
    }

    /// A live connection to the n-th query-service, before its hello.
    pub async fn live(&self, index: usize) -> Live {
        Live::connect(self.services.query_url(Some(index))).await
    }

    /// Waits until the read model shows the membership, as a client does before it follows a room.
    pub async fn sees_room(&self, person: &Person, room: &str) {
        person.get(&format!("/rooms/{room}/members?limit=1")).await.ok();
    }

    /// A live connection that follows a room after `v`, with the subscription confirmed.
    pub async fn follow(&self, person: &Person, room: &str, v: u64) -> Live {
        self.sees_room(person, room).await;
        let mut live = self.live(0).await;
        live.hello(person.token(), &[(room, Some(v))]).await;
        live.subscribed(room).await;
        live
    }

    /// The whole feed of a room, in order.
    pub async fn feed(&self, person: &Person, room: &str) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().and_then(|event| event["v"].as_u64()).unwrap_or_default();
            let page = person.get(&format!("/rooms/{room}/events?limit=200&after_v={after}")).await.items();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// Runs a subcommand of `provision` on the log's server, which must succeed.
    pub async fn provision(&self, words: &[&str]) {
        let arguments: Vec<_> = words.iter().map(AsRef::as_ref).collect();
        let output = self.stack.provision(&arguments).await;
        let output = output.unwrap_or_else(|error| panic!("{words:?}: {error:?}"));
        assert!(output.status.success(), "{words:?}: {output:?}");
    }

    /// Restores a backup of the log into a server that has lost everything. No service may need the log meanwhile.
    pub async fn restore_log(&self, folder: &str) {
        let failed = |error| panic!("nats-server: {error:?}");
        self.stack.nats().start_empty_for_restore().await.unwrap_or_else(failed);
        self.provision(&["restore", "--from", folder]).await;
        self.stack.nats().stop().await;
        self.stack.nats().start_again().await.unwrap_or_else(failed);
    }

    /// An administrator's view of the log.
    pub async fn log(&self) -> Log {
        Log::connect(&self.stack).await
    }

    /// A request to this address.
    pub fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.services.request(method, url)
    }
}
