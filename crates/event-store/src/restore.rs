//! The log's streams on their way back into a server that has none, as a new life of each.
//!
//! `USER` comes first and says until the end that a restore is going on: whatever interrupts it, provisioning refuses to
//! fill the gaps with empty streams, services find streams missing, and the same restore goes on where it was. The last
//! stream is one that no service starts without.

use async_nats::Client;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::trust::{ALL_TOKENS_KEY, REVOKED_BUCKET, REVOKED_HOURS, Revoked, SESSIONS_BUCKET};
use serde_json::{Value, json};

use crate::{
    backup::{BackupError, Layout, PATIENCE, WHOLE_STREAM, ask, copied_streams, info, send},
    provision::{ProvisionOptions, provision},
    stream::{StreamName, metadata},
    subject::hex,
};

/// One restore of one backup.
#[derive(Debug, Clone)]
pub struct Restore {
    owner: Client,
    backup: String,
    options: ProvisionOptions,
}

/// A stream on its way in. Nothing of it is to be seen before [`Upload::finish`].
#[derive(Debug)]
pub struct Upload {
    owner: Client,
    stream: String,
    subject: String,
    last_sequence: u64,
}

impl Restore {
    /// A restore of the backup with this id by the account that owns the log.
    pub fn new(owner: Client, backup: &str, options: ProvisionOptions) -> Self {
        Self { owner, backup: backup.to_owned(), options }
    }

    /// The streams that are still to be restored, in their order; `extent` is the last sequence of each in the backup.
    /// Refuses if there are others than those that this very restore has brought before it was interrupted. One that was
    /// interrupted itself is removed: a server that gives a stream up keeps what has come of it.
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
            if shortfall(&info, extent(&stream)).is_some() {
                self.remove(&stream).await?;
                missing.push(stream);
            }
        }
        Ok(missing)
    }

    /// Removes what this restore has brought of a stream, so that it can begin anew.
    pub async fn discard(&self, stream: &str) -> Result<(), BackupError> {
        let info = info(&self.owner, stream).await?;
        let ours = |info: &Value| info["config"]["metadata"][metadata::RESTORED].as_str() == Some(&*self.backup);
        if info.is_some_and(|info| ours(&info)) { self.remove(stream).await } else { Ok(()) }
    }

    async fn remove(&self, stream: &str) -> Result<(), BackupError> {
        ask(&self.owner, "STREAM.DELETE", stream, &json!({}), PATIENCE).await.map(drop)
    }

    /// Begins to restore a stream.
    pub async fn begin(&self, stream: &str, layout: &Layout) -> Result<Upload, BackupError> {
        let body = json!({ "config": self.renewed(stream, &layout.config), "state": layout.state });
        let answer = ask(&self.owner, "STREAM.RESTORE", stream, &body, PATIENCE).await?;
        let subject = answer["deliver_subject"].as_str().unwrap_or_default().to_owned();
        let last_sequence = layout.last_sequence();
        Ok(Upload { owner: self.owner.clone(), stream: stream.to_owned(), subject, last_sequence })
    }

    /// The settings of the stream's new life: read models that know more than the backup must not go on from it.
    fn renewed(&self, stream: &str, config: &Value) -> Value {
        let mut config = config.clone();
        config["num_replicas"] = self.options.replicas.into();
        let old = config["metadata"].as_object().cloned().unwrap_or_default();
        let mut new: serde_json::Map<_, _> =
            old.into_iter().filter(|(key, _)| !key.starts_with(metadata::OF_THE_SERVER)).collect();
        if let Some(incarnation) = new.get_mut(metadata::INCARNATION) {
            *incarnation = hex(&rand::random::<u64>().to_be_bytes()).into();
        }
        new.insert(metadata::RESTORED.to_owned(), self.backup.clone().into());
        if stream == StreamName::User.on_server() {
            new.insert(metadata::RESTORING.to_owned(), self.backup.clone().into());
        }
        config["metadata"] = new.into();
        config
    }

    /// Creates what no backup holds, ends what was going on before the loss, and declares the log complete.
    pub async fn finish(&self) -> Result<(), BackupError> {
        provision(self.owner.clone(), self.options).await?;
        let stream = StreamName::User.on_server();
        let info = info(&self.owner, &stream).await?;
        let mut info = info.ok_or_else(|| BackupError::NoLog { stream: stream.clone() })?;
        self.end_sessions(&info["ts"]).await?;
        let mut config = info["config"].take();
        if let Some(metadata) = config["metadata"].as_object_mut() {
            metadata.retain(|key, _| key != metadata::RESTORING && !key.starts_with(metadata::OF_THE_SERVER));
        }
        ask(&self.owner, "STREAM.UPDATE", &stream, &config, PATIENCE).await.map(drop)
    }
}

impl Restore {
    /// Ends all sessions and revokes all tokens that were issued before now, which is a time of the server: what was
    /// revoked after the backup must not count again.
    async fn end_sessions(&self, now: &Value) -> Result<(), BackupError> {
        let stream = format!("KV_{REVOKED_BUCKET}");
        let before = now.as_str().and_then(|time| time.parse::<DateTime<Utc>>().ok());
        let reason = || "the server does not tell its time".to_owned();
        let before = before.ok_or_else(|| BackupError::Unavailable { stream: stream.clone(), reason: reason() })?;
        let revoked = Revoked { before, until: before + TimeDelta::hours(REVOKED_HOURS) };
        let subject = format!("$KV.{REVOKED_BUCKET}.{ALL_TOKENS_KEY}");
        send(&self.owner, subject, &stream, json!(revoked).to_string().into(), PATIENCE).await?;
        let sessions = format!("KV_{SESSIONS_BUCKET}");
        ask(&self.owner, "STREAM.PURGE", &sessions, &json!({}), PATIENCE).await.map(drop)
    }
}

impl Upload {
    /// Sends the next piece; the pieces may have other lengths than they came with, up to what a message may hold.
    pub async fn send(&self, chunk: Bytes) -> Result<(), BackupError> {
        send(&self.owner, self.subject.clone(), &self.stream, chunk, PATIENCE).await.map(drop)
    }

    /// Makes the server build the stream, and checks that it is as long as it was.
    pub async fn finish(self) -> Result<(), BackupError> {
        let info = send(&self.owner, self.subject, &self.stream, Bytes::new(), WHOLE_STREAM).await?;
        match shortfall(&info, self.last_sequence) {
            Some(reason) => Err(BackupError::Incomplete { stream: self.stream, reason }),
            None => Ok(()),
        }
    }
}

/// What a stream lacks that has to reach this sequence at least.
fn shortfall(info: &Value, last_sequence: u64) -> Option<String> {
    let state = |key: &str| info["state"][key].as_u64().unwrap_or_default();
    let (first, last, messages) = (state("first_seq"), state("last_seq"), state("messages"));
    let is_dense = info["config"]["deny_purge"] == true && info["config"]["max_msgs_per_subject"] == -1;
    if last < last_sequence {
        Some(format!("it ends at {last}, before {last_sequence}"))
    } else if is_dense && messages > 0 && last - first + 1 != messages {
        Some(format!("{messages} messages do not fill {first} to {last}"))
    } else {
        None
    }
}
