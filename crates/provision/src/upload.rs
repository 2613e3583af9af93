//! Restores the log's streams to a server that has none, each with a new incarnation.
//!
//! `USER` is restored first and marked as being restored until the end. After an interruption, provisioning refuses to
//! fill the gaps with empty streams, services find streams missing, and the same restore can be continued. The last
//! stream is one that every service requires at its start.

use async_nats::Client;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use wire::{
    StreamName,
    bucket::{self, REVOKED_BUCKET, SESSIONS_BUCKET},
    stream::metadata,
    trust::{ALL_TOKENS_KEY, REVOKED_HOURS, Revoked},
};

use crate::{
    snapshot::{BackupError, Layout, REQUEST_TIMEOUT, STREAM_TIMEOUT, call_api, copied_streams, info, send},
    topology::{ProvisionOptions, provision},
};

/// One restore of one backup.
#[derive(Debug, Clone)]
pub struct Restore {
    owner: Client,
    backup: String,
    options: ProvisionOptions,
}

/// A stream that is being uploaded. It does not exist before [`Upload::finish`].
#[derive(Debug)]
pub struct Upload {
    owner: Client,
    stream: String,
    subject: String,
    last_sequence: u64,
}

impl Restore {
    /// Creates a restore of the backup with this id. `owner` is connected with the account that owns the log.
    pub fn new(owner: Client, backup: &str, options: ProvisionOptions) -> Self {
        Self { owner, backup: backup.to_owned(), options }
    }

    /// Returns the streams that are still to be restored, in order. `extent` returns the last sequence of a stream in
    /// the backup. Fails if there are streams other than those restored by this restore before it was interrupted. A
    /// stream that was interrupted itself is removed: the server keeps the part that it has received.
    pub async fn missing(&self, extent: impl Fn(&str) -> u64) -> Result<Vec<String>, BackupError> {
        let user = StreamName::User.on_server();
        let mut order = copied_streams(self.options.partitions);
        order.retain(|stream| *stream != user);
        order.insert(0, user);
        let (mut missing, mut unfinished) = (Vec::new(), false);
        for stream in order {
            let Some(info) = info(&self.owner, &stream).await? else {
                missing.push(stream);
                continue;
            };
            let says = |key: &str| info["config"]["metadata"][key].as_str() == Some(self.backup.as_str());
            unfinished |= says(metadata::RESTORING);
            if !(unfinished && says(metadata::RESTORED)) {
                return Err(BackupError::Occupied { stream });
            }
            if missing_messages(&info, extent(&stream)).is_some() {
                self.remove(&stream).await?;
                missing.push(stream);
            }
        }
        Ok(missing)
    }

    /// Removes the part of a stream that this restore has uploaded, so that the stream can be restored again.
    pub async fn discard(&self, stream: &str) -> Result<(), BackupError> {
        let info = info(&self.owner, stream).await?;
        let ours = |info: &Value| info["config"]["metadata"][metadata::RESTORED].as_str() == Some(&*self.backup);
        if info.is_some_and(|info| ours(&info)) { self.remove(stream).await } else { Ok(()) }
    }

    async fn remove(&self, stream: &str) -> Result<(), BackupError> {
        call_api(&self.owner, "STREAM.DELETE", stream, &json!({}), REQUEST_TIMEOUT).await.map(drop)
    }

    /// Begins to restore a stream.
    pub async fn begin(&self, stream: &str, layout: &Layout) -> Result<Upload, BackupError> {
        let body = json!({ "config": self.with_new_incarnation(stream, &layout.config), "state": layout.state });
        let answer = call_api(&self.owner, "STREAM.RESTORE", stream, &body, REQUEST_TIMEOUT).await?;
        let subject = answer["deliver_subject"].as_str().unwrap_or_default().to_owned();
        let last_sequence = layout.last_sequence();
        Ok(Upload { owner: self.owner.clone(), stream: stream.to_owned(), subject, last_sequence })
    }

    /// Returns the settings of the stream with a new incarnation, so that read models that are ahead of the backup do
    /// not continue from it.
    fn with_new_incarnation(&self, stream: &str, config: &Value) -> Value {
        let mut config = config.clone();
        config["num_replicas"] = self.options.replicas.into();
        let old = config["metadata"].as_object().cloned().unwrap_or_default();
        let mut new: serde_json::Map<_, _> =
            old.into_iter().filter(|(key, _)| !key.starts_with(metadata::SERVER_PREFIX)).collect();
        if let Some(incarnation) = new.get_mut(metadata::INCARNATION) {
            *incarnation = format!("{:016x}", rand::random::<u64>()).into();
        }
        new.insert(metadata::RESTORED.to_owned(), self.backup.clone().into());
        if stream == StreamName::User.on_server() {
            new.insert(metadata::RESTORING.to_owned(), self.backup.clone().into());
        }
        config["metadata"] = new.into();
        config
    }

    /// Creates the parts that backups do not contain, ends the sessions from before the loss, and marks the log as
    /// complete.
    pub async fn finish(&self) -> Result<(), BackupError> {
        provision(self.owner.clone(), self.options).await?;
        let stream = StreamName::User.on_server();
        let info = info(&self.owner, &stream).await?;
        let mut info = info.ok_or_else(|| BackupError::NoLog { stream: stream.clone() })?;
        self.end_sessions(&info["ts"]).await?;
        let mut config = info["config"].take();
        if let Some(metadata) = config["metadata"].as_object_mut() {
            metadata.retain(|key, _| key != metadata::RESTORING && !key.starts_with(metadata::SERVER_PREFIX));
        }
        call_api(&self.owner, "STREAM.UPDATE", &stream, &config, REQUEST_TIMEOUT).await.map(drop)
    }
}

impl Restore {
    /// Ends all sessions and revokes all tokens issued before `now`, a time of the server. A revocation made after the
    /// backup is lost, and its tokens must stay invalid.
    async fn end_sessions(&self, now: &Value) -> Result<(), BackupError> {
        let stream = bucket::stream(REVOKED_BUCKET);
        let before = now.as_str().and_then(|time| time.parse::<DateTime<Utc>>().ok());
        let reason = || "the answer of the server has no valid time".to_owned();
        let before = before.ok_or_else(|| BackupError::Unavailable { stream: stream.clone(), reason: reason() })?;
        let revoked = Revoked { before, until: before + TimeDelta::hours(REVOKED_HOURS) };
        let subject = bucket::subject(REVOKED_BUCKET, ALL_TOKENS_KEY);
        send(&self.owner, subject, &stream, json!(revoked).to_string().into(), REQUEST_TIMEOUT).await?;
        let sessions = bucket::stream(SESSIONS_BUCKET);
        call_api(&self.owner, "STREAM.PURGE", &sessions, &json!({}), REQUEST_TIMEOUT).await.map(drop)
    }
}

impl Upload {
    /// Sends the next chunk. Chunks may have other lengths than when they were copied, up to the maximum payload.
    pub async fn send(&self, chunk: Bytes) -> Result<(), BackupError> {
        send(&self.owner, self.subject.clone(), &self.stream, chunk, REQUEST_TIMEOUT).await.map(drop)
    }

    /// Makes the server create the stream, and checks its length.
    pub async fn finish(self) -> Result<(), BackupError> {
        let info = send(&self.owner, self.subject, &self.stream, Bytes::new(), STREAM_TIMEOUT).await?;
        match missing_messages(&info, self.last_sequence) {
            Some(reason) => Err(BackupError::Incomplete { stream: self.stream, reason }),
            None => Ok(()),
        }
    }
}

/// Returns a description of the messages that a stream lacks up to this sequence.
fn missing_messages(info: &Value, last_sequence: u64) -> Option<String> {
    let state = |key: &str| info["state"][key].as_u64().unwrap_or_default();
    let (first, last, messages) = (state("first_seq"), state("last_seq"), state("messages"));
    let is_dense = info["config"]["deny_purge"] == true && info["config"]["max_msgs_per_subject"] == -1;
    if last < last_sequence {
        Some(format!("it ends at {last}, before {last_sequence}"))
    } else if is_dense && messages > 0 && last - first + 1 != messages {
        Some(format!("it has gaps: {messages} messages from {first} to {last}"))
    } else {
        None
    }
}
