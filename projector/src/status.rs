//! The state of the projector for `/readyz`: per stream and generation, and of the database.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_nats::{Client, connection::State};
use domain::BoxId;
use service_kit::health::Health;
use wire::StreamName;

/// One stream of one generation.
pub(crate) type Track = (i32, StreamName);

/// The state that all parts of the process report. Cheap to clone: all clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// The error that blocks all streams, if any.
    database: Result<(), String>,
    log: Result<(), String>,
    tracks: BTreeMap<Track, Progress>,
    /// The quarantined boxes of the tracks that run here, each with the sequence of its failed event.
    quarantined: BTreeMap<Track, Vec<(BoxId, u64)>>,
}

/// The progress of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Another projector holds its lease.
    Standby,
    /// Its checkpoint is being compared with the log.
    Starting,
    /// Projecting the backlog.
    CatchingUp,
    /// At the end of the log.
    Following,
    /// Waits for a server to return.
    Waiting(String),
    /// An operator is needed.
    Stopped(String),
}

impl Default for Status {
    fn default() -> Self {
        let not_yet = || Err("not connected yet".to_owned());
        let inner =
            Inner { database: not_yet(), log: not_yet(), tracks: BTreeMap::new(), quarantined: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

impl Status {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn database(&self, state: Result<(), String>) {
        log_unavailable(&state);
        self.lock().database = state;
    }

    pub(crate) fn log(&self, state: Result<(), String>) {
        log_unavailable(&state);
        self.lock().log = state;
    }

    /// Sets the progress of a stream and logs a change: failures as errors or warnings, `Following` as info, others as
    /// debug.
    pub(crate) fn set(&self, track: Track, progress: Progress) {
        let mut inner = self.lock();
        let former = inner.tracks.insert(track, progress.clone());
        if progress == Progress::Standby {
            inner.quarantined.remove(&track);
        }
        drop(inner);
        if former.as_ref() == Some(&progress) {
            return;
        }
        let (generation, stream) = (track.0, track.1.label());
        match progress {
            Progress::Stopped(reason) => tracing::error!(generation, stream.label = stream, reason, "stopped"),
            Progress::Waiting(reason) => tracing::warn!(generation, stream.label = stream, reason, "waiting"),
            Progress::Following => tracing::info!(generation, stream.label = stream, "following"),
            Progress::Starting | Progress::CatchingUp | Progress::Standby => {
                tracing::debug!(generation, stream.label = stream, %progress, "changed");
            }
        }
    }

    /// Returns the progress of a stream.
    pub(crate) fn progress(&self, track: Track) -> Option<Progress> {
        self.lock().tracks.get(&track).cloned()
    }

    /// Sets the quarantined boxes of a stream.
    pub(crate) fn set_quarantined(&self, track: Track, boxes: Vec<(BoxId, u64)>) {
        let quarantined = &mut self.lock().quarantined;
        if boxes.is_empty() {
            quarantined.remove(&track);
        } else {
            quarantined.insert(track, boxes);
        }
    }

    pub(crate) fn remove(&self, track: Track) {
        let mut inner = self.lock();
        inner.tracks.remove(&track);
        inner.quarantined.remove(&track);
    }

    /// Returns the state of each stream as one word.
    pub(crate) fn tracks(&self) -> Vec<(Track, &'static str)> {
        self.lock().tracks.iter().map(|(track, progress)| (*track, progress.as_str())).collect()
    }

    /// Returns the checks behind `/readyz`.
    pub(crate) fn health(&self, client: Client) -> Health {
        let (database, streams, quarantine) = (self.clone(), self.clone(), self.clone());
        Health::new()
            .check("postgres", move || {
                let state = database.lock().database.clone();
                async { state }
            })
            .check("nats", move || {
                let connected = client.connection_state() == State::Connected;
                async move { if connected { Ok(()) } else { Err("not connected".to_owned()) } }
            })
            .check("streams", move || {
                let state = streams.streams();
                async { state }
            })
            // All other boxes are served, so the process stays ready. An operator is needed.
            .watch("quarantine", move || {
                let state = quarantine.quarantine();
                async { state }
            })
    }

    fn quarantine(&self) -> Result<(), String> {
        let inner = self.lock();
        let quarantined = inner.quarantined.iter().flat_map(|((generation, stream), boxes)| {
            boxes.iter().map(move |(box_id, since)| format!("g{generation} {stream}: {box_id} at {since}"))
        });
        let quarantined: Vec<String> = quarantined.collect();
        if quarantined.is_empty() { Ok(()) } else { Err(quarantined.join("; ")) }
    }

    fn streams(&self) -> Result<(), String> {
        let inner = self.lock();
        inner.log.clone()?;
        if inner.tracks.is_empty() {
            return Err("not started yet".to_owned());
        }
        let unhealthy = inner.tracks.iter().filter(|(_, progress)| !progress.is_healthy());
        let unhealthy: Vec<String> =
            unhealthy.map(|((n, stream), progress)| format!("g{n} {stream}: {progress}")).collect();
        if unhealthy.is_empty() { Ok(()) } else { Err(unhealthy.join("; ")) }
    }
}

fn log_unavailable(state: &Result<(), String>) {
    if let Err(reason) = state {
        tracing::warn!(reason, "cannot project now");
    }
}

impl Progress {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Starting => "starting",
            Self::CatchingUp => "catching_up",
            Self::Following => "following",
            Self::Waiting(_) => "waiting",
            Self::Stopped(_) => "stopped",
        }
    }

    fn is_healthy(&self) -> bool {
        match self {
            Self::Standby | Self::CatchingUp | Self::Following => true,
            Self::Starting | Self::Waiting(_) | Self::Stopped(_) => false,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standby => f.write_str("held by another projector"),
            Self::Starting => f.write_str("starting"),
            Self::CatchingUp => f.write_str("catching up"),
            Self::Following => f.write_str("following"),
            Self::Waiting(reason) => write!(f, "waiting: {reason}"),
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_stream_is_named_with_its_reason() {
        let status = Status::default();
        assert_eq!(status.streams(), Err("not connected yet".to_owned()));
        status.log(Ok(()));
        assert_eq!(status.streams(), Err("not started yet".to_owned()));
        status.set((1, StreamName::Box(0)), Progress::Following);
        status.set((1, StreamName::User), Progress::Standby);
        assert_eq!(status.streams(), Ok(()));
        status.set((1, StreamName::Box(0)), Progress::Stopped("no such log".to_owned()));
        assert_eq!(status.streams(), Err("g1 box-0: stopped: no such log".to_owned()));
    }
}
