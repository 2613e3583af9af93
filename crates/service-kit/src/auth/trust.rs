//! Keeps a verifier up to date: follows the buckets of keys and revocations, and caches them on disk.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use async_nats::Client;
use chrono::TimeDelta;
use clap::Args;
use credentials::changes::{Bucket, Change};
use storage::{BucketWatch, JetStream};
use tokio::time::{Instant, timeout};
use wire::{
    bucket::{REVOKED_BUCKET, SIGNING_KEYS_BUCKET},
    trust::{self, PublicKey, Revoked},
};

use super::{
    Verifier, cache,
    issuer::{Issuer, IssuerArgs},
    jwks,
    trust_store::TrustState,
};
use crate::clock;

/// The interval of reading the buckets if the server does not notify of all changes, and so the longest delay of a
/// revocation.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The interval of reading the buckets if the server notifies of all changes.
const SAFETY_INTERVAL: Duration = Duration::from_secs(10);

/// The shortest time between two reads caused by tokens with unknown keys.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(500);

/// The interval of fetching an external issuer's keys.
const FETCH_INTERVAL: Duration = Duration::from_mins(5);

/// The shortest time between two fetches, also for tokens with unknown keys.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(5);

/// The age of the last read of everything after which everything is read again: a bucket may have been created again.
const FULL_READ_INTERVAL: Duration = Duration::from_secs(50);

/// The largest clock difference that is accepted in a revocation of a principal's tokens.
const CLOCK_LIMIT: TimeDelta = TimeDelta::seconds(2);

/// The settings of the verification of access tokens.
#[derive(Debug, Clone, Args)]
pub struct TrustArgs {
    /// File for the last known public keys and revocations, so that tokens can be verified after a start without NATS;
    /// not kept if not given
    #[arg(long, env = "BOXROOM_TRUST_CACHE", value_name = "FILE")]
    pub trust_cache: Option<PathBuf>,

    /// The external issuer.
    #[command(flatten)]
    pub issuer: IssuerArgs,
}

/// The keys and revocations of a process. A task follows them for as long as the process runs.
pub struct Trust {
    verifier: Verifier,
    /// The time of the last fetch of an external issuer's keys.
    fetched_at: Option<Instant>,
    cache: Option<PathBuf>,
    last_error: String,
}

impl Trust {
    /// Starts with the cached keys and revocations of the last run, if there are any.
    pub fn open(args: &TrustArgs) -> Self {
        let verifier = Verifier::of(Issuer::of(&args.issuer));
        if let Some(path) = &args.trust_cache {
            match cache::read(path) {
                Ok(state) => drop(verifier.update(state)),
                Err(error) => tracing::warn!(%error, path = %path.display(), "the cache of keys cannot be read"),
            }
        }
        Self { verifier, fetched_at: None, cache: args.trust_cache.clone(), last_error: String::new() }
    }

    /// The verifier that uses these keys and revocations.
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// Follows the buckets and the issuer forever.
    pub async fn follow(mut self, nats: Client) {
        let statistics = nats.statistics();
        let server = JetStream::new(nats.clone());
        let mut changed_keys = BucketWatch::start(server.clone(), SIGNING_KEYS_BUCKET, SAFETY_INTERVAL).await;
        let mut changed_revoked = BucketWatch::start(server, REVOKED_BUCKET, SAFETY_INTERVAL).await;
        let (mut keys, mut revoked) =
            (Bucket::new(nats.clone(), SIGNING_KEYS_BUCKET), Bucket::new(nats, REVOKED_BUCKET));
        let (mut requested, mut is_full, mut connections, mut reread_at) = (false, true, 0, Instant::now());
        loop {
            // The server of a new connection may have been restored in the meantime.
            let connected = statistics.connects.load(Ordering::Relaxed);
            is_full |= reread_at.elapsed() > FULL_READ_INTERVAL || connected != connections;
            connections = connected;
            if is_full {
                keys.rewind();
                revoked.rewind();
                reread_at = Instant::now();
            }
            // Both are read, because one can be unavailable without the other.
            let outside = self.fetch_issuer_keys(requested).await;
            let result = self.read_buckets(&mut keys, &mut revoked, is_full).await;
            // The changes of a failed read are lost.
            is_full = !matches!(result, Ok(true));
            if let Err(error) = result.map(drop).and(outside) {
                if error != self.last_error {
                    tracing::warn!("keys and revocations cannot be followed: {error}");
                }
                self.last_error = error;
            } else {
                self.last_error.clear();
            }
            let until_fetch = self
                .fetched_at
                .map_or(MIN_READ_INTERVAL, |fetched_at| MIN_FETCH_INTERVAL.saturating_sub(fetched_at.elapsed()));
            self.verifier.record_read(until_fetch.max(MIN_READ_INTERVAL));
            let changed = async {
                tokio::select! {
                    () = changed_keys.changed(READ_INTERVAL) => false,
                    () = changed_revoked.changed(READ_INTERVAL) => false,
                    () = self.verifier.read_requested() => true,
                }
            };
            requested = if is_full { timeout(READ_INTERVAL, changed).await.unwrap_or_default() } else { changed.await };
        }
    }

    /// Reads the changes, or everything with `is_full`: a key that is no longer in the bucket belongs to a log that was
    /// lost. An empty bucket is about to be filled again, and keys are kept until then. Returns false until it is
    /// filled.
    async fn read_buckets(&mut self, keys: &mut Bucket, revoked: &mut Bucket, is_full: bool) -> Result<bool, String> {
        let own = !self.verifier.uses_external_issuer();
        let keys = if own { keys.changes::<PublicKey>().await? } else { Vec::new() };
        let revoked = revoked.changes::<Revoked>().await?;
        let (mut state, now) = (self.verifier.state(), clock::now());
        let is_empty = own && is_full && keys.iter().all(|change| change.value.is_none());
        if own && is_full && !is_empty {
            state.published.clear();
        }
        for Change { key: id, value, .. } in keys {
            match value {
                Some(key) => state.published.insert(id, key),
                None => state.published.remove(&id),
            };
        }
        state.revoked.extend(revoked.into_iter().filter_map(revocation));
        state.revoked.retain(|_, revoked| now < revoked.until);
        self.store(state).await?;
        Ok(!is_empty)
    }

    /// Fetches the keys of an external issuer, periodically or because of a token with an unknown key.
    async fn fetch_issuer_keys(&mut self, requested: bool) -> Result<(), String> {
        let Some(issuer) = self.verifier.issuer() else { return Ok(()) };
        let pause = if requested { MIN_FETCH_INTERVAL } else { FETCH_INTERVAL };
        if self.fetched_at.is_some_and(|fetched_at| fetched_at.elapsed() < pause) {
            return Ok(());
        }
        self.fetched_at = Some(Instant::now());
        let outside = jwks::fetch(issuer.keys()).await?;
        self.store(TrustState { outside, ..self.verifier.state() }).await
    }

    async fn store(&self, state: TrustState) -> Result<(), String> {
        if self.verifier.update(state.clone())
            && let Some(path) = &self.cache
        {
            cache::write(path, &state).await.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

/// Limits a revocation of all tokens of a principal to tokens issued before it was stored, so that an instance with a
/// fast clock does not revoke the next sign-in. A revocation of a session applies to all its tokens.
fn revocation(change: Change<Revoked>) -> Option<(String, Revoked)> {
    let Change { key, value, stored_at } = change;
    let mut revoked = value?;
    if !trust::is_session_key(&key) {
        revoked.before = revoked.before.min(stored_at + CLOCK_LIMIT);
    }
    Some((key, revoked))
}
