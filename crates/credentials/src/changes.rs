//! Reads the changes of a bucket since the last read, with one request for a page of entries.

use std::time::Duration;

use async_nats::{Client, HeaderMap, connection::State};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use wire::{SERVICE_API_PREFIX, bucket};

/// The timeout of each message of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of entries requested at once.
const PAGE: usize = 500;

/// An entry that was changed or deleted.
pub struct Change<T> {
    /// The key.
    pub key: String,
    /// The value. None if it was deleted.
    pub value: Option<T>,
    /// The time at which the server stored it.
    pub stored_at: DateTime<Utc>,
}

/// Reads a bucket from where the last read ended.
pub struct Bucket {
    nats: Client,
    name: &'static str,
    next: u64,
}

impl Bucket {
    /// Begins with the first entry.
    pub fn new(nats: Client, name: &'static str) -> Self {
        Self { nats, name, next: 1 }
    }

    /// Starts again with all entries, because the bucket may have been created again.
    pub fn rewind(&mut self) {
        self.next = 1;
    }

    /// Returns all changes, in order. Unreadable entries are skipped.
    pub async fn changes<T: DeserializeOwned>(&mut self) -> Result<Vec<Change<T>>, String> {
        if self.nats.connection_state() != State::Connected {
            return Err("there is no connection".to_owned());
        }
        let mut changes = Vec::new();
        loop {
            let before = changes.len();
            self.page(&mut changes).await?;
            if changes.len() - before < PAGE {
                return Ok(changes);
            }
        }
    }

    async fn page<T: DeserializeOwned>(&mut self, changes: &mut Vec<Change<T>>) -> Result<(), String> {
        let prefix = bucket::subject(self.name, "");
        let request = json!({ "seq": self.next, "batch": PAGE, "next_by_subj": format!("{prefix}>") });
        let inbox = self.nats.new_inbox();
        let mut answers = self.nats.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
        let operation = format!("{SERVICE_API_PREFIX}.DIRECT.GET.{}", bucket::stream(self.name));
        let published = self.nats.publish_with_reply(operation, inbox, request.to_string().into()).await;
        published.map_err(|error| error.to_string())?;
        loop {
            let answer = timeout(ANSWER_TIMEOUT, answers.next()).await.map_err(|_| "no answer".to_owned())?;
            let answer = answer.ok_or("the connection was closed")?;
            match answer.status.map(|status| status.as_u16()) {
                None => {}
                Some(204 | 404) => return Ok(()),
                Some(code) => return Err(format!("{code} {}", answer.description.unwrap_or_default())),
            }
            let headers = answer.headers.unwrap_or_default();
            let sequence: Option<u64> = text(&headers, "Nats-Sequence").and_then(|sequence| sequence.parse().ok());
            self.next = sequence.ok_or("an answer without sequence")? + 1;
            let key = text(&headers, "Nats-Subject").and_then(|subject| subject.strip_prefix(&prefix));
            let is_deleted = text(&headers, "KV-Operation").is_some();
            let stored_at = text(&headers, "Nats-Time-Stamp").and_then(|time| time.parse().ok());
            let stored_at: DateTime<Utc> = stored_at.ok_or("an answer without time")?;
            let value = if is_deleted { None } else { serde_json::from_slice(&answer.payload).ok() };
            match key {
                Some(key) if is_deleted || value.is_some() => {
                    changes.push(Change { key: key.to_owned(), value, stored_at });
                }
                _ => tracing::warn!(bucket = self.name, ?key, "an entry cannot be read"),
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}
