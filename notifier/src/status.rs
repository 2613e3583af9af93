//! The state of the notifier for `/readyz` and the logs.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The state of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Another notifier tells its alarms.
    Standby,
    /// Its position is being read.
    Starting,
    /// Its alarms are told.
    Working,
    /// Waits for a server.
    Waiting(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standby => f.write_str("standby"),
            Self::Starting => f.write_str("starting"),
            Self::Working => f.write_str("working"),
            Self::Waiting(reason) => write!(f, "waiting: {reason}"),
        }
    }
}

/// The states that all workers report. Cheap to clone: all clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statuses(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    streams: BTreeMap<String, Status>,
    unavailable: Option<String>,
}

impl Statuses {
    /// Sets the state of a stream and logs a change.
    pub(crate) fn set(&self, stream: &str, status: Status) {
        let mut inner = self.inner();
        if inner.streams.get(stream) == Some(&status) {
            return;
        }
        match &status {
            Status::Waiting(reason) => tracing::warn!(stream.label = stream, reason, "waiting"),
            Status::Working => tracing::info!(stream.label = stream, "telling alarms"),
            Status::Standby | Status::Starting => tracing::debug!(stream.label = stream, %status, "changed"),
        }
        inner.streams.insert(stream.to_owned(), status);
    }

    /// The streams cannot be shared out.
    pub(crate) fn unavailable(&self, reason: String) {
        let mut inner = self.inner();
        if inner.unavailable.as_ref() != Some(&reason) {
            tracing::warn!(reason, "the database is not available");
        }
        inner.streams.clear();
        inner.unavailable = Some(reason);
    }

    /// The streams are shared out.
    pub(crate) fn available(&self) {
        self.inner().unavailable = None;
    }

    /// Returns an error that names what does not work.
    pub(crate) fn check(&self) -> Result<(), String> {
        let inner = self.inner();
        if let Some(reason) = &inner.unavailable {
            return Err(reason.clone());
        }
        if inner.streams.is_empty() {
            return Err("not started yet".to_owned());
        }
        let failing =
            inner.streams.iter().filter(|(_, status)| matches!(status, Status::Starting | Status::Waiting(_)));
        let failing: Vec<String> = failing.map(|(stream, status)| format!("{stream}: {status}")).collect();
        if failing.is_empty() { Ok(()) } else { Err(failing.join("; ")) }
    }

    /// Returns the number of streams that are worked on here.
    pub(crate) fn working(&self) -> usize {
        self.inner().streams.values().filter(|status| **status == Status::Working).count()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
