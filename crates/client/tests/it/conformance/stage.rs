//! A client under test, and the services that it connects to.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use client::{Client, Error, FetchError, Inbox, Incoming, Options, Page, Since};
use futures::future::select_all;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    Accept, ClientOptions, Greet, Scenario, ServerChoice, ServerState, ServerWord, Step, Token, Versions, items,
    placeholders::Bindings,
};
use crate::peer::{PATIENCE, Peer, ROOM, Server};

type Fetching = JoinHandle<Result<Page, FetchError>>;

/// A client under test, and the services that it connects to.
pub(super) struct Stage {
    /// The servers; none for an address without a listener.
    servers: Vec<Option<Server>>,
    bindings: Bindings,
    options: Option<Options>,
    client: Option<Client>,
    inbox: Option<Inbox>,
    fetches: BTreeMap<String, Fetching>,
    peer: Option<Peer>,
    last_server: usize,
    lost_at: Instant,
}

impl Stage {
    /// Carries out all steps of a scenario.
    pub(super) async fn play(scenario: &Scenario) {
        let mut stage = Self::new(&scenario.client).await;
        for (number, step) in (1..).zip(&scenario.steps) {
            let context = format!("{}, step {number}: {step:?}", scenario.name);
            stage.step(step.clone(), &context).await;
        }
    }

    async fn new(options: &ClientOptions) -> Self {
        let (mut servers, mut urls) = (Vec::new(), Vec::new());
        for state in &options.servers {
            let server = Server::start().await;
            urls.push(server.url());
            servers.push(Some(server).filter(|_| *state == ServerState::Up));
        }
        let (tokens, asked) = (options.tokens.clone(), Arc::new(AtomicUsize::new(0)));
        let source = move || {
            let index = asked.fetch_add(1, Ordering::Relaxed).min(tokens.len() - 1);
            let token = match tokens[index].clone() {
                Token::Text(text) => Ok(text),
                Token::Failure { error } => Err(error.into()),
            };
            std::future::ready(token)
        };
        let configured = Options::new(urls.clone(), source)
            .longest_delay(Duration::from_millis(options.longest_delay_ms))
            .time_limit(Duration::from_millis(options.time_limit_ms))
            .capacity(options.capacity);
        Self {
            servers,
            bindings: Bindings::new(urls),
            options: Some(configured),
            client: None,
            inbox: None,
            fetches: BTreeMap::new(),
            peer: None,
            last_server: 0,
            lost_at: Instant::now(),
        }
    }

    async fn step(&mut self, step: Step, context: &str) {
        match step {
            Step::Connect => {
                self.client();
            }
            Step::Follow { room_id, after_v } => {
                let since = after_v.map_or(Since::Now, Since::After);
                self.client().subscribe(room_id.parse().unwrap(), since);
            }
            Step::Unfollow(room) => self.client().unsubscribe(&room.parse().unwrap()),
            Step::Fetch { name, room_id, after_v } => {
                let client = self.client().clone();
                let fetching = async move { client.fetch(room_id.parse().unwrap(), after_v).await };
                self.fetches.insert(name, tokio::spawn(fetching));
            }
            Step::Fetched { name, events, to_v, head_v } => {
                let page = self.page(&name).await.unwrap_or_else(|error| panic!("{context}: {error}"));
                let versions: Vec<u64> = page.events.iter().map(|event| event.v).collect();
                assert_eq!((versions, page.to_v, page.head_v), (events, to_v, head_v), "{context}");
            }
            Step::FetchFails { name, code } => match self.page(&name).await {
                Err(FetchError::Refused { code: actual, .. }) => assert_eq!(actual, code, "{context}"),
                Err(FetchError::Stopped) => assert_eq!(code, "stopped", "{context}"),
                Ok(page) => panic!("{context}: {page:?}"),
            },
            Step::Deliver(expected) => self.deliver_all(expected, true, context).await,
            Step::DeliverExactly(expected) => self.deliver_all(expected, false, context).await,
            Step::DeliverEvents(versions) => {
                let expected = Versions::all(&versions).map(|v| json!({ "event": { "v": v } })).collect();
                self.deliver_all(expected, true, context).await;
            }
            Step::End => self.inbox = None,
            Step::Ended => {
                let item = self.next_item(context).await;
                assert!(item.is_none(), "{context}: {item:?}");
            }
            other => self.server_step(other, context).await,
        }
    }

    /// Carries out a step of the service.
    async fn server_step(&mut self, step: Step, context: &str) {
        match step {
            Step::Accept(accept) => self.accept(&accept, context).await,
            Step::Greet(greet) => self.greet(&greet, context).await,
            Step::Receive(frame) => self.receive(&frame, false, context).await,
            Step::ReceivePart(frame) => self.receive(&frame, true, context).await,
            Step::Send(frame) => {
                let frame = self.bindings.fill(&frame);
                self.peer().say(frame).await;
            }
            Step::SendText(text) => self.peer().say_text(&text).await,
            Step::Welcome(fields) => {
                let mut frame = json!({ "type": "welcome", "session": "s", "heartbeat_ms": 60_000 });
                frame.as_object_mut().unwrap().extend(fields);
                self.peer().say(frame).await;
            }
            Step::Events(versions) => {
                let peer = self.peer.take();
                let mut peer = peer.unwrap_or_else(|| panic!("{context}: no connection"));
                peer.events(Versions::all(&versions)).await;
                self.peer = Some(peer);
            }
            Step::Close { code, reason } => {
                self.lost_at = Instant::now();
                self.peer().close(code, &reason).await;
            }
            Step::Bye { code, reason, retry_ms } => {
                let mut bye = json!({ "type": "bye", "code": code, "reason": reason });
                if let Some(retry_ms) = retry_ms {
                    bye["retry_ms"] = json!(retry_ms);
                }
                self.lost_at = Instant::now();
                self.peer().say(bye).await;
                self.peer().close(code, &reason).await;
            }
            Step::Drop => self.peer = None,
            Step::Gone => self.peer().until_gone().await,
            Step::WaitMs(ms) => sleep(Duration::from_millis(ms)).await,
            other => panic!("not a step of a service: {other:?}"),
        }
    }

    /// Returns the client, which connects with the first step that needs it.
    fn client(&mut self) -> &Client {
        if let Some(options) = self.options.take() {
            let (client, inbox) = Client::connect(options).unwrap();
            (self.client, self.inbox) = (Some(client), Some(inbox));
        }
        self.client.as_ref().unwrap()
    }

    fn peer(&mut self) -> &mut Peer {
        self.peer.as_mut().expect("there is a connection")
    }

    async fn accept(&mut self, accept: &Accept, context: &str) {
        let last = self.last_server;
        let is_candidate = |index: usize| match accept.server {
            None => index == 0,
            Some(ServerChoice::Number(number)) => index == number,
            Some(ServerChoice::Word(ServerWord::Any)) => true,
            Some(ServerChoice::Word(ServerWord::Other)) => index != last,
        };
        let servers = self.servers.iter().enumerate().filter(|(index, _)| is_candidate(*index));
        let calls = servers.filter_map(|(index, server)| {
            let server = server.as_ref()?;
            Some(Box::pin(async move { (index, server.call().await) }))
        });
        let ((index, peer), ..) = select_all(calls).await;
        (self.last_server, self.peer) = (index, Some(peer));
        let waited = self.lost_at.elapsed();
        assert!(waited >= Duration::from_millis(accept.not_before_ms), "{context}: after {waited:?}");
    }

    async fn greet(&mut self, greet: &Greet, context: &str) {
        self.accept(&greet.accept, context).await;
        let hello = json!({ "type": "hello", "rooms": [{ "room_id": ROOM, "v": greet.v }] });
        self.receive(&hello, true, context).await;
        self.peer().welcome(60_000).await;
        self.peer().subscribed(&Value::Null, greet.head_v).await;
    }

    async fn receive(&mut self, expected: &Value, partial: bool, context: &str) {
        let frame = self.peer().next().await;
        assert!(self.bindings.matches(&frame, expected, partial), "{context}: the client sends {frame}");
    }

    /// Checks the next items. If `skips`, items of other types are skipped.
    async fn deliver_all(&mut self, expected: Vec<Value>, skips: bool, context: &str) {
        for expected in expected {
            let kind = expected.as_object().and_then(|fields| fields.keys().next()).unwrap();
            loop {
                let item = self.next_item(context).await;
                let item = item.unwrap_or_else(|| panic!("{context}: the inbox has ended"));
                let actual = items::to_json(&item);
                if skips && item.is_ok() && actual.get(kind).is_none() {
                    continue;
                }
                assert!(self.bindings.matches(&actual, &expected, true), "{context}: delivered {actual}");
                break;
            }
        }
    }

    async fn next_item(&mut self, context: &str) -> Option<Result<Incoming, Error>> {
        let inbox = self.inbox.as_mut()?;
        timeout(PATIENCE, inbox.next()).await.unwrap_or_else(|_| panic!("{context}: no item arrives"))
    }

    async fn page(&mut self, name: &str) -> Result<Page, FetchError> {
        let fetching = self.fetches.remove(name).unwrap();
        timeout(PATIENCE, fetching).await.expect("no page arrives").unwrap()
    }
}
