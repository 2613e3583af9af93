//! State shared by all tasks: built once at the start.

use std::{ops::Deref, sync::Arc};

use event_store::Log;

use crate::{database::Database, notifications::Notifier, progress_monitor::ProgressMonitor, status::Status};

/// The shared parts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The shared state itself.
pub(crate) struct Parts {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notifier: Notifier,
    pub(crate) status: Status,
    pub(crate) watch: ProgressMonitor,
    /// The number of box streams in the log.
    pub(crate) partitions: u16,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
