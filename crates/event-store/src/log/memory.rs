//! The log in memory, for tests. Behaves like a single server.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use tokio::sync::broadcast;
use wire::StreamName;

use crate::{
    codec::envelope::header,
    log::{Answer, Attempt, Freshness, Log, LogError, NewMessage, Range, Recorded, StreamState},
};

/// A log that is lost when its process ends.
#[derive(Debug, Default)]
pub struct MemoryLog {
    streams: Mutex<HashMap<StreamName, MemoryStream>>,
}

#[derive(Debug)]
struct MemoryStream {
    messages: BTreeMap<u64, Recorded>,
    last_sequence: u64,
    last_on_subject: HashMap<String, u64>,
    ids: HashMap<String, u64>,
    notifications: broadcast::Sender<Recorded>,
}

impl Default for MemoryStream {
    fn default() -> Self {
        Self {
            messages: BTreeMap::new(),
            last_sequence: 0,
            last_on_subject: HashMap::new(),
            ids: HashMap::new(),
            notifications: broadcast::channel(1024).0,
        }
    }
}

impl MemoryLog {
    /// Drops the message ids, as a server does after the duplicate window.
    pub fn end_duplicate_window(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        streams.values_mut().for_each(|stream| stream.ids.clear());
    }

    fn with<T>(&self, stream: StreamName, act: impl FnOnce(&mut MemoryStream) -> T) -> T {
        let mut streams = self.streams.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(streams.entry(stream).or_default())
    }
}

impl MemoryStream {
    fn append(&mut self, messages: &[NewMessage]) -> Attempt {
        let last_on = |subject: &str| self.last_on_subject.get(subject).copied().unwrap_or_default();
        let broken = messages.iter().any(|message| {
            let holds = |guard: &crate::log::Guard| {
                last_on(guard.subject.as_deref().unwrap_or(&message.subject)) == guard.sequence
            };
            message.guard.as_ref().is_some_and(|guard| !holds(guard))
        });
        if broken {
            return Attempt::WrongLastSequence;
        }
        let known = messages.iter().find_map(|message| self.ids.get(message.message_id.as_deref()?));
        match (known, messages) {
            (Some(&sequence), [_]) => return Attempt::Duplicate { sequence },
            (Some(_), _) => return Attempt::KnownIdInBatch,
            (None, _) => {}
        }
        for message in messages {
            self.store(message);
        }
        Attempt::Stored { sequence: self.last_sequence }
    }

    fn store(&mut self, message: &NewMessage) {
        self.last_sequence += 1;
        let mut headers = message.headers.clone();
        if let Some(id) = &message.message_id {
            self.ids.insert(id.clone(), self.last_sequence);
            headers.insert("Nats-Msg-Id", id.as_str());
        }
        let occurred_at = headers.get(header::OCCURRED_AT).and_then(|at| at.as_str().parse().ok());
        let recorded = Recorded {
            stream: message.stream,
            sequence: self.last_sequence,
            subject: message.subject.clone(),
            headers: headers.into(),
            payload: message.payload.clone(),
            stored_at: occurred_at.unwrap_or_default(),
        };
        let former = self.last_on_subject.insert(message.subject.clone(), self.last_sequence);
        if let (StreamName::Mark, Some(former)) = (message.stream, former) {
            self.messages.remove(&former);
        }
        self.messages.insert(self.last_sequence, recorded.clone());
        // There may be no receivers.
        let _ = self.notifications.send(recorded);
    }

    fn read(&self, range: Range<'_>) -> Vec<Recorded> {
        let mut bytes = 0;
        self.messages
            .range(range.from..)
            .map(|(_, message)| message)
            .filter(|message| range.subject.is_none_or(|subject| subject == message.subject))
            .take(range.max_messages)
            .take_while(|message| {
                let fits = bytes == 0 || bytes + message.payload.len() <= range.max_bytes;
                bytes += message.payload.len();
                fits
            })
            .cloned()
            .collect()
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    std::future::ready(Ok(value)).boxed()
}

impl Log for MemoryLog {
    fn attempt<'a>(&'a self, messages: &'a [NewMessage], _: Duration) -> BoxFuture<'a, Attempt> {
        let outcome = match messages.first() {
            Some(first) => self.with(first.stream, |stream| stream.append(messages)),
            None => Attempt::Rejected { code: 0, description: "there is nothing to append".into() },
        };
        std::future::ready(outcome).boxed()
    }

    fn last<'a>(&'a self, stream: StreamName, subject: &'a str, _: Freshness) -> Answer<'a, Option<Recorded>> {
        answer(self.with(stream, |stream| stream.messages.get(stream.last_on_subject.get(subject)?).cloned()))
    }

    fn get(&self, stream: StreamName, sequence: u64, _: Freshness) -> Answer<'_, Option<Recorded>> {
        answer(self.with(stream, |stream| stream.messages.get(&sequence).cloned()))
    }

    fn read<'a>(&'a self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        answer(self.with(range.stream, |stream| stream.read(range)))
    }

    fn first_since(&self, stream: StreamName, time: DateTime<Utc>) -> Answer<'_, u64> {
        answer(self.with(stream, |stream| {
            let first = stream.messages.values().find(|message| message.stored_at >= time);
            first.map_or(stream.last_sequence + 1, |message| message.sequence)
        }))
    }

    fn state(&self, stream: StreamName) -> Answer<'_, StreamState> {
        answer(self.with(stream, |stream| StreamState {
            incarnation: "memory".into(),
            created: DateTime::UNIX_EPOCH,
            first_sequence: stream.messages.keys().next().copied().unwrap_or(stream.last_sequence + 1),
            last_sequence: stream.last_sequence,
            partitions: None,
            is_notified: false,
        }))
    }

    fn notifications(&self, stream: StreamName) -> Answer<'_, BoxStream<'static, Recorded>> {
        let receiver = self.with(stream, |stream| stream.notifications.subscribe());
        let repeated = futures::stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(message) => return Some((message, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        answer(repeated.boxed())
    }

    fn reachable(&self) -> Answer<'_, ()> {
        answer(())
    }
}

impl MemoryLog {
    /// Removes a message, as a damaged disk does, for tests of detecting damage.
    pub fn remove_message(&self, stream: StreamName, sequence: u64) -> Result<(), LogError> {
        let lost = self.with(stream, |stream| stream.messages.remove(&sequence));
        lost.map(|_| ()).ok_or(LogError::Absent(stream))
    }
}
