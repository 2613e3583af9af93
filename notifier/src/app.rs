//! State shared by all tasks: built once at the start.

use std::{ops::Deref, sync::Arc};

use async_nats::Client;

use crate::{cursor::Cursors, database::Database, delivery::Delivery, plan::Rules, status::Statuses, wakeups::Wakeups};

/// The shared parts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The shared state itself.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) database: Arc<Database>,
    pub(crate) cursors: Cursors,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) wakeups: Wakeups,
    pub(crate) status: Statuses,
    pub(crate) rules: Rules,
    /// The labels of the streams of boxes.
    pub(crate) streams: Vec<String>,
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
