//! Keeps a verifier up to date: follows the buckets of keys and revocations, and remembers them on disk.

use std::{path::PathBuf, time::Duration};

use async_nats::Client;
use domain::trust::{PublicKey, REVOKED_BUCKET, Revoked, SIGNING_KEYS_BUCKET};
use tokio::time::timeout;

use super::{Verifier, bucket::Bucket, cache};
use crate::{args::TrustArgs, clock};

/// How often there is a look for what is new: revocations are seen so soon.
const PERIOD: Duration = Duration::from_secs(1);

/// How long tokens with unknown keys cause no further look.
const PAUSE: Duration = Duration::from_millis(500);

/// After how many looks everything is read again: a bucket may have been made anew.
const REREAD: u32 = 60;

/// What a process trusts. Follows in a task of its own, for as long as the process runs.
pub struct Trust {
    verifier: Verifier,
    cache: Option<PathBuf>,
    trouble: String,
}

impl Trust {
    /// With what was known when the process ran last.
    pub fn open(args: &TrustArgs) -> Self {
        let verifier = Verifier::default();
        if let Some(path) = &args.trust_cache {
            match cache::read(path) {
                Ok(known) => drop(verifier.learn(known)),
                Err(error) => tracing::warn!(%error, path = %path.display(), "the cache of keys cannot be read"),
            }
        }
        Self { verifier, cache: args.trust_cache.clone(), trouble: String::new() }
    }

    /// Verifies with what is known.
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// Follows for ever.
    pub async fn follow(mut self, nats: Client) {
        let (mut keys, mut revoked) =
            (Bucket::new(nats.clone(), SIGNING_KEYS_BUCKET), Bucket::new(nats, REVOKED_BUCKET));
        for count in 0_u32.. {
            if count.is_multiple_of(REREAD) {
                keys.rewind();
                revoked.rewind();
            }
            if let Err(trouble) = self.look(&mut keys, &mut revoked).await {
                if trouble != self.trouble {
                    tracing::warn!("keys and revocations cannot be followed: {trouble}");
                }
                self.trouble = trouble;
            } else {
                self.trouble.clear();
            }
            self.verifier.has_looked(PAUSE);
            let _ = timeout(PERIOD, self.verifier.look_wanted()).await;
        }
    }

    async fn look(&mut self, keys: &mut Bucket, revoked: &mut Bucket) -> Result<(), String> {
        let keys = keys.changes::<PublicKey>().await?;
        let revoked = revoked.changes::<Revoked>().await?;
        let (mut known, now) = (self.verifier.known(), clock::now());
        for (id, key) in keys {
            match key {
                Some(key) => known.published.insert(id, key),
                None => known.published.remove(&id),
            };
        }
        known.revoked.extend(revoked.into_iter().filter_map(|(key, revoked)| Some((key, revoked?))));
        known.revoked.retain(|_, revoked| now < revoked.until);
        if self.verifier.learn(known.clone())
            && let Some(path) = &self.cache
        {
            cache::write(path, &known).await.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}
