//! A user of Boxroom over HTTP: sends commands with idempotency keys, and reads its own writes.

use std::{
    collections::VecDeque,
    future::IntoFuture,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use harness::Secrets;
use reqwest::{Method, RequestBuilder, header};
use serde_json::Value;
use testing::{Answer, wait::new_key};

/// The number of positions that a read waits for: the last own ones and those taken from other answers.
const REMEMBERED: usize = 4;

/// The addresses of the services, to which requests go in turn.
#[derive(Debug)]
pub struct Services {
    client: reqwest::Client,
    commands: Vec<String>,
    queries: Vec<String>,
    turn: AtomicUsize,
    secrets: Secrets,
}

impl Services {
    pub(crate) fn new(commands: Vec<String>, queries: Vec<String>, secrets: Secrets) -> Self {
        // The timeout exceeds those of the services.
        let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_mins(1)).build();
        Self { client: client.expect("an HTTP client"), commands, queries, turn: AtomicUsize::new(0), secrets }
    }

    /// Adds the passwords and tokens in a body to the secrets that must not appear in a log.
    pub(crate) fn hide(&self, body: &Value) {
        for (name, value) in body.as_object().into_iter().flatten() {
            if ["password", "token", "ticket", "secret", "old", "new"].iter().any(|word| name.ends_with(word)) {
                self.secrets.hide(value.as_str().unwrap_or_default());
            }
        }
    }

    /// A request to this address.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// The address of the n-th command-service, or of the next one in turn.
    pub fn command_url(&self, index: Option<usize>) -> &str {
        &self.commands[index.unwrap_or_else(|| self.next()) % self.commands.len()]
    }

    /// The address of the n-th query-service, or of the next one in turn.
    pub fn query_url(&self, index: Option<usize>) -> &str {
        &self.queries[index.unwrap_or_else(|| self.next()) % self.queries.len()]
    }

    fn next(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

/// A caller with a token. Commands and reads go to the services in turn. Reads wait for the writes before them.
#[derive(Debug)]
pub struct Person {
    id: String,
    token: String,
    services: Arc<Services>,
    positions: Mutex<VecDeque<String>>,
}

impl Person {
    pub(crate) fn new(id: &str, token: String, services: Arc<Services>) -> Self {
        Self { id: id.to_owned(), token, services, positions: Mutex::default() }
    }

    /// The id of the caller.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same person with another token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    /// The access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A command that is sent when awaited.
    pub fn command(&self, method: Method, path: impl Into<String>, body: Option<Value>) -> Command<'_> {
        if let Some(body) = &body {
            self.services.hide(body);
        }
        Command { person: self, method, path: path.into(), body, key: new_key(), via: None }
    }

    /// Builds a `POST` command.
    pub fn post(&self, path: impl Into<String>, body: Value) -> Command<'_> {
        self.command(Method::POST, path, Some(body))
    }

    /// Builds a `PUT` command.
    pub fn put(&self, path: impl Into<String>, body: Value) -> Command<'_> {
        self.command(Method::PUT, path, Some(body))
    }

    /// Builds a `PATCH` command.
    pub fn patch(&self, path: impl Into<String>, body: Value) -> Command<'_> {
        self.command(Method::PATCH, path, Some(body))
    }

    /// Builds a `DELETE` command.
    pub fn delete(&self, path: impl Into<String>) -> Command<'_> {
        self.command(Method::DELETE, path, None)
    }

    /// Posts a message in a room.
    pub fn say(&self, room: &str, body: &str) -> Command<'_> {
        self.post(format!("/rooms/{room}/messages"), serde_json::json!({ "body": body }))
    }

    /// Reads at the remembered positions or later, so own writes are visible.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_from(None, path).await
    }

    /// Reads from the n-th query-service.
    pub async fn get_from(&self, index: Option<usize>, path: &str) -> Answer {
        self.try_get(index, path).await.unwrap_or_else(|error| panic!("GET {path}: {error:?}"))
    }

    /// As [`Person::get_from`], but returns an error if no answer came.
    pub async fn try_get(&self, index: Option<usize>, path: &str) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{path}", self.services.query_url(index));
        let mut request = self.services.request(Method::GET, &url).bearer_auth(&self.token);
        for position in self.positions().iter() {
            request = request.header("min-position", position);
        }
        Answer::read(format!("GET {path} ({})", self.id), request.send().await?).await
    }

    /// Returns all items of a list, page by page. `path` may have a query.
    pub async fn get_all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut page) = (Vec::new(), path.to_owned());
        loop {
            let answer = self.get(&page).await;
            items.extend(answer.items());
            let Some(next) = answer.json()["next"].as_str().map(str::to_owned) else { return items };
            let separator = if path.contains('?') { '&' } else { '?' };
            page = format!("{path}{separator}cursor={next}");
        }
    }

    /// Lets later reads wait for the position of this answer.
    pub fn remember_position(&self, answer: &Answer) {
        self.add_position(answer.position());
    }

    fn add_position(&self, position: String) {
        let mut positions = self.positions();
        if positions.len() == REMEMBERED {
            positions.pop_front();
        }
        positions.push_back(position);
    }

    fn positions(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that is sent when awaited. It has an idempotency key of its own unless one is given.
#[derive(Debug, Clone)]
pub struct Command<'a> {
    person: &'a Person,
    method: Method,
    path: String,
    body: Option<Value>,
    key: String,
    via: Option<usize>,
}

impl Command<'_> {
    /// Sets the idempotency key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// Sends the command to the n-th command-service.
    #[must_use]
    pub fn via(mut self, index: usize) -> Self {
        self.via = Some(index);
        self
    }

    /// Sends the command. Returns an error if no answer came.
    pub async fn attempt(&self) -> Result<Answer, reqwest::Error> {
        let Self { person, method, path, .. } = self;
        let url = format!("{}{path}", person.services.command_url(self.via));
        let mut request = person.services.request(method.clone(), &url).bearer_auth(&person.token);
        request = request.header("idempotency-key", &self.key);
        request = match &self.body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        };
        let answer = Answer::read(format!("{method} {path} ({})", person.id), request.send().await?).await?;
        if let Some(position) = answer.header("event-position") {
            person.add_position(position.to_owned());
        }
        Ok(answer)
    }
}

impl<'a> IntoFuture for Command<'a> {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let answer = self.attempt().await;
            answer.unwrap_or_else(|error| panic!("{} {}: {error:?}", self.method, self.path))
        })
    }
}
