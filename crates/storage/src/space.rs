//! Rejections for lack of space, kept for readiness: nothing shows the lack before a message is to be stored.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The time for which a rejection is reported. Later commands try again.
const REPORTED_FOR: Duration = Duration::from_secs(30);

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceLimit {
    /// The server cannot write the stream's file. The error stays until the server is restarted.
    Disk,
    /// The size limit of the stream.
    Stream,
    /// The size limit of the account.
    Account,
    /// The size limit of the server.
    Server,
}

impl std::fmt::Display for SpaceLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disk => "nats-server cannot write to its disk: add space, then restart nats-server",
            Self::Stream => "the stream has reached its size limit: raise max_bytes of the stream",
            Self::Account => {
                "the account has reached its size limit: raise max_file of the account, and reload nats-server"
            }
            Self::Server => {
                "nats-server has reached max_file_store, or without it three quarters of the disk that was free at its \
                 start: raise it, and reload nats-server"
            }
        })
    }
}

impl SpaceLimit {
    /// Returns true if the limit applies to all streams of the server.
    fn is_common(self) -> bool {
        matches!(self, Self::Account | Self::Server)
    }
}

/// The streams that have recently rejected messages for lack of space. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Space(Arc<Rejections>);

#[derive(Debug, Default)]
struct Rejections {
    /// True while there are rejections, so that an append does not need the lock to check.
    any: AtomicBool,
    /// The rejections by the stream's name on the server. The empty name stands for all streams.
    refused: Mutex<BTreeMap<String, (Instant, SpaceLimit)>>,
}

impl Space {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, SpaceLimit)>> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a rejection by this stream, named as on the server.
    pub fn refused(&self, stream: &str, space_limit: SpaceLimit) {
        let name = if space_limit.is_common() { "" } else { stream };
        let former = self.lock().insert(name.to_owned(), (Instant::now(), space_limit));
        self.0.any.store(true, Ordering::Relaxed);
        if former.is_none_or(|(at, _)| at.elapsed() > REPORTED_FOR) {
            tracing::error!(stream, %space_limit, "the log has no space left");
        }
    }

    /// Records that this stream, named as on the server, has stored a message.
    pub fn stored(&self, stream: impl FnOnce() -> String) {
        if self.0.any.load(Ordering::Relaxed) {
            let mut refused = self.lock();
            refused.remove("");
            refused.remove(&stream());
            self.0.any.store(!refused.is_empty(), Ordering::Relaxed);
        }
    }

    /// Returns the limit that this stream (named as on the server) has reached in the last 30 seconds, if nothing was
    /// stored since.
    pub fn limit_of(&self, stream: &str) -> Option<SpaceLimit> {
        let refused = self.lock();
        let recent = |name: &str| {
            refused.get(name).filter(|(at, _)| at.elapsed() < REPORTED_FOR).map(|(_, space_limit)| *space_limit)
        };
        recent("").or_else(|| recent(stream))
    }

    /// Returns the buckets that have reached a limit in the same way, with the limit.
    pub fn buckets(&self) -> Vec<(String, SpaceLimit)> {
        let refused = self.lock();
        let recent = refused.iter().filter(|(_, (at, _))| at.elapsed() < REPORTED_FOR);
        recent
            .filter_map(|(name, (_, space_limit))| Some((wire::bucket::of_stream(name)?.to_owned(), *space_limit)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_until_something_is_stored() {
        let space = Space::default();
        assert_eq!(space.limit_of("BOX_0"), None);
        space.refused("BOX_0", SpaceLimit::Disk);
        assert_eq!((space.limit_of("BOX_0"), space.limit_of("BOX_1")), (Some(SpaceLimit::Disk), None));
        space.stored(|| "BOX_1".to_owned());
        assert_eq!(space.limit_of("BOX_0"), Some(SpaceLimit::Disk), "another stream says nothing about this one");
        space.stored(|| "BOX_0".to_owned());
        assert_eq!(space.limit_of("BOX_0"), None);
    }

    #[test]
    fn a_limit_of_the_server_affects_every_stream() {
        let space = Space::default();
        space.refused("KV_sessions", SpaceLimit::Server);
        assert_eq!(space.limit_of("BOX_3"), Some(SpaceLimit::Server));
        space.stored(|| "USER".to_owned());
        assert_eq!(space.limit_of("BOX_3"), None);
        space.refused("KV_sessions", SpaceLimit::Disk);
        assert_eq!(space.buckets(), [("sessions".to_owned(), SpaceLimit::Disk)]);
        assert_eq!(space.limit_of("BOX_3"), None);
    }
}
