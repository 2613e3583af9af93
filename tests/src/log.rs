//! The log seen from outside, and commands sent over NATS as a box sends them.

use std::collections::BTreeMap;

use async_nats::{
    Client, HeaderMap,
    jetstream::{self, message::StreamMessage},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Account, Stack};
use serde_json::Value;
use testing::server;

/// The log's server, through the administrator's account.
#[derive(Debug)]
pub struct Log {
    context: jetstream::Context,
}

impl Log {
    pub(crate) async fn connect(stack: &Stack) -> Self {
        Self { context: jetstream::new(server::connect(&stack.nats_url(Account::Admin)).await) }
    }

    /// The sum of the streams' last sequences. It grows with every commit, and with nothing else.
    pub async fn length(&self) -> u64 {
        self.streams().await.iter().map(|stream| stream.state.last_sequence).sum()
    }

    /// The last sequence of each stream.
    pub async fn ends(&self) -> BTreeMap<String, u64> {
        self.streams().await.into_iter().map(|stream| (stream.config.name, stream.state.last_sequence)).collect()
    }

    /// The subjects and headers of commits after these ends, without those of the system: it goes on in the background
    /// with what a caller began before.
    pub async fn commits_of_callers_after(&self, ends: &BTreeMap<String, u64>) -> Vec<String> {
        let mut commits = Vec::new();
        for (name, end) in self.ends().await {
            let stream = self.context.get_stream_no_info(&name).await.expect("a stream");
            for sequence in ends.get(&name).copied().unwrap_or_default() + 1..=end {
                let message = stream.get_raw_message(sequence).await;
                let message = message.unwrap_or_else(|error| panic!("{name} {sequence}: {error}"));
                if message.headers.get("Actor").is_none_or(|actor| actor.as_str() != "system") {
                    commits.push(format!("{} {:?}", message.subject, message.headers));
                }
            }
        }
        commits
    }

    /// The incarnation and the last sequence of each stream of boxes that has events, by its label.
    pub async fn ends_of_boxes(&self) -> BTreeMap<String, (String, u64)> {
        let boxes = self.streams().await.into_iter().filter(|stream| stream.config.name.starts_with("BOX_"));
        boxes
            .filter(|stream| stream.state.last_sequence > 0)
            .map(|stream| {
                let label = stream.config.name.to_lowercase().replace('_', "-");
                let incarnation = stream.config.metadata.get("boxroom.incarnation").cloned().unwrap_or_default();
                (label, (incarnation, stream.state.last_sequence))
            })
            .collect()
    }

    /// Lets the scheduled deadline of a box fire now, as if its time had come.
    pub async fn fire_deadline(&self, box_id: &str) {
        let stream = self.context.get_stream_no_info("TIMER").await.expect("the stream of deadlines");
        let due = stream.get_last_raw_message_by_subject(&format!("timer.*.{box_id}.due")).await;
        let due = due.unwrap_or_else(|error| panic!("{box_id} has no deadline: {error}"));
        let target = due.headers.get("Nats-Schedule-Target").expect("a target").as_str();
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Schedule", "@at 2000-01-01T00:00:00Z");
        headers.insert("Nats-Schedule-Target", target);
        let sent = self.context.publish_with_headers(due.subject.clone(), headers, due.payload).await.expect("sent");
        sent.await.expect("stored");
    }

    /// The names of all streams and buckets.
    pub async fn names(&self) -> Vec<String> {
        let names: Result<Vec<_>, _> = self.context.stream_names().try_collect().await;
        names.unwrap_or_else(|error| panic!("the names of all streams: {error}"))
    }

    /// All stored messages of streams and buckets, with subject and headers.
    pub async fn all_messages(&self) -> Vec<String> {
        let mut all = Vec::new();
        for name in self.names().await {
            let stream = self.context.get_stream(&name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            for sequence in 1..=stream.cached_info().state.last_sequence {
                let Ok(message) = stream.get_raw_message(sequence).await else { continue };
                all.push(format!(
                    "{} {:?} {}",
                    message.subject,
                    message.headers,
                    String::from_utf8_lossy(&message.payload)
                ));
            }
        }
        all
    }

    /// Leaves the state of a registration that crashed halfway: a pending account with the password of another account.
    pub async fn interrupt_registration(&self, user_id: &str, like: &str) {
        let accounts = self.context.get_key_value("accounts").await.expect("the accounts");
        let account = accounts.get(like).await.expect("an answer").expect("an account");
        let mut account: Value = serde_json::from_slice(&account).expect("an account in JSON");
        account["state"] = "pending".into();
        accounts.put(user_id, account.to_string().into()).await.expect("stored");
    }

    /// Lets the server forget message ids, as if its duplicate window had passed.
    pub async fn shrink_duplicate_window(&self, window: std::time::Duration) {
        for stream in self.streams().await {
            let mut config = stream.config;
            config.duplicate_window = window;
            let name = config.name.clone();
            self.context.update_stream(config).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// Removes and re-adds the last reaction of a box, `times` times in each of `commits` commits. Faster than
    /// commands.
    pub async fn repeat_reaction(&self, box_id: &str, commits: usize, times: usize) {
        let given = self.last_talk_commit(box_id).await;
        let mut commit: Value = serde_json::from_slice(&given.payload).expect("a commit");
        let again = commit["events"][0].clone();
        assert_eq!(again["type"], "reaction_added", "{commit}");
        let mut back = again.clone();
        back["type"] = "reaction_removed".into();
        commit["events"] = [back, again].iter().cycle().take(2 * times).cloned().collect();
        let types = ["reaction_removed", "reaction_added"].repeat(times).join(",");
        let payload = Bytes::from(commit.to_string());
        let ours = given.headers.iter().filter(|(name, _)| !name.to_string().starts_with("Nats-"));
        let ours: Vec<_> = ours.map(|(name, values)| (name.clone(), values[0].clone())).collect();
        let written = stream::iter(0..commits).map(|number| {
            let mut headers: HeaderMap = ours.iter().cloned().collect();
            headers.insert("Event-Types", types.as_str());
            headers.insert("Commit-Id", format!("again-{number}"));
            async {
                let sent = self.context.publish_with_headers(given.subject.clone(), headers, payload.clone()).await;
                sent.expect("a connection").await.expect("an acknowledgement");
            }
        });
        written.buffered(64).collect::<()>().await;
    }

    /// Appends a message to a box's room that no release up to this one can read. Returns its sequence.
    pub async fn append_from_the_future(&self, box_id: &str) -> u64 {
        self.append("1", r#"{"events":[{"type":"message_posted","version":99,"data":{}}]}"#, box_id).await
    }

    /// Appends a commit to a box's room whose envelope no release up to this one can read. Returns its sequence.
    pub async fn append_envelope_from_the_future(&self, box_id: &str) -> u64 {
        self.append("2", r#"{"facts":[]}"#, box_id).await
    }

    async fn append(&self, schema: &str, payload: &'static str, box_id: &str) -> u64 {
        let said = self.last_talk_commit(box_id).await;
        let ours = said.headers.iter().filter(|(name, _)| !name.to_string().starts_with("Nats-"));
        let mut headers: HeaderMap = ours.map(|(name, values)| (name.clone(), values[0].clone())).collect();
        headers.insert("Commit-Id", "from-the-future");
        headers.insert("Envelope-Schema", schema);
        let sent = self.context.publish_with_headers(said.subject, headers, payload.into()).await.expect("sent");
        sent.await.expect("stored").sequence
    }

    /// The last commit on the talk lane of a box.
    async fn last_talk_commit(&self, box_id: &str) -> StreamMessage {
        for stream in self.streams().await.into_iter().filter(|stream| stream.config.name.starts_with("BOX_")) {
            let stream = self.context.get_stream_no_info(stream.config.name).await.expect("a stream of boxes");
            if let Ok(said) = stream.get_last_raw_message_by_subject(&format!("box.*.{box_id}.talk")).await {
                return said;
            }
        }
        panic!("{box_id} has no message");
    }

    /// The streams of events. Timers are not republished, and buckets have names of their own.
    async fn streams(&self) -> Vec<jetstream::stream::Info> {
        let streams: Vec<_> = self.context.streams().try_collect().await.expect("the streams of the log");
        let is_event_stream =
            |info: &jetstream::stream::Info| info.config.republish.is_some() && !info.config.name.starts_with("KV_");
        let events: Vec<_> = streams.into_iter().filter(is_event_stream).collect();
        assert!(!events.is_empty(), "there is no log");
        events
    }
}

/// A connection of a delivery box, which may only send commands.
#[derive(Debug)]
pub struct Device {
    client: Client,
}

impl Device {
    /// Connects with the account of the boxes.
    pub async fn connect(stack: &Stack) -> Self {
        Self { client: server::connect(&stack.nats_url(Account::Device)).await }
    }

    /// Sends a command by its name. Returns the reply.
    pub async fn send(&self, command: &str, request: &Value) -> Value {
        self.send_bytes(command, request.to_string().into_bytes()).await
    }

    /// Sends a payload of any content.
    pub async fn send_bytes(&self, command: &str, request: Vec<u8>) -> Value {
        let reply = self.client.request(format!("cmd.{command}"), request.into()).await;
        let reply = reply.unwrap_or_else(|error| panic!("cmd.{command}: {error}"));
        serde_json::from_slice(&reply.payload).unwrap_or_else(|error| panic!("cmd.{command}: {error}"))
    }

    /// The NATS connection.
    pub fn client(&self) -> &Client {
        &self.client
    }
}
