//! How many wrong passwords were tried, where all instances see it and a restart does not forget.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    bucket::{Bucket, BucketError},
    jetstream::JetStreamLog,
};

/// The bucket that holds them. Stored; never rename.
pub(crate) const ATTEMPTS_BUCKET: &str = "attempts";

/// How often a tally that others change at the same time is read again.
const TRIES: usize = 16;

/// What was tried at one door by one kind of caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many wrong passwords came, one after the other.
    pub failures: u32,
    /// When the last attempt was.
    pub at: DateTime<Utc>,
    /// Whether the right one came before.
    #[serde(default)]
    pub known: bool,
}

/// The tallies of all doors, shared by all command-services.
#[derive(Debug)]
pub struct AttemptTallies {
    bucket: Bucket,
    /// In one process nobody has to try again because of another.
    keys: Lanes,
}

impl AttemptTallies {
    /// The tallies beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self { bucket: Bucket::new(log, ATTEMPTS_BUCKET), keys: Lanes::default() }
    }

    /// What was tried; none if nothing was.
    pub async fn get(&self, key: &str) -> Result<Option<Tally>, BucketError> {
        Ok(self.found(key).await?.map(|(tally, _)| tally))
    }

    /// A tally and its revision. No attempt is later than its storing: an instance whose clock is fast keeps nobody waiting.
    async fn found(&self, key: &str) -> Result<Option<(Tally, u64)>, BucketError> {
        let found = self.bucket.get_dated::<Tally>(key).await?;
        Ok(found.map(|(tally, revision, stored_at)| (Tally { at: tally.at.min(stored_at), ..tally }, revision)))
    }

    /// Changes a tally, however many do so at the same time: none of them is lost. A change to nothing is none.
    pub async fn change(
        &self,
        key: &str,
        change: impl Fn(Option<Tally>) -> Option<Tally>,
    ) -> Result<Option<Tally>, BucketError> {
        let _turn = self.keys.turn(key).await;
        for _ in 0..TRIES {
            let found = self.found(key).await?;
            let (former, revision) = found.map_or((None, None), |(tally, revision)| (Some(tally), Some(revision)));
            let Some(tally) = change(former) else { return Ok(None) };
            let written = match revision {
                Some(revision) => self.bucket.update(key, &tally, revision).await,
                None => self.bucket.create(key, &tally).await,
            };
            match written {
                Err(BucketError::Conflict(_)) => {}
                result => return result.map(|_| Some(tally)),
            }
        }
        Err(BucketError::Conflict(key.to_owned()))
    }
}

/// Turns by a name: whoever has the same waits, and now and then somebody with another one. Bounded, whatever names come.
#[derive(Debug)]
pub struct Lanes(Vec<Mutex<()>>);

impl Default for Lanes {
    fn default() -> Self {
        Self((0..1024).map(|_| Mutex::default()).collect())
    }
}

impl Lanes {
    /// Waits for one's turn, which lasts as long as this value.
    pub async fn turn(&self, name: &str) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let number = hasher.finish() % self.0.len() as u64;
        match self.0.get(usize::try_from(number).unwrap_or_default()) {
            Some(lane) => Some(lane.lock().await),
            None => None,
        }
    }
}
