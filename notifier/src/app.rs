//! State shared by all tasks: built once at the start.

use std::{ops::Deref, sync::Arc};

use async_nats::Client;
use event_store::Log;
use tokio::sync::watch;

use crate::{
    cursor::Cursors, database::Database, delivery::Delivery, plan::Rules, status::Statuses, wakeups::Wakeups,
    webhooks::sender::Sender,
};

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
    pub(crate) log: Arc<dyn Log>,
    pub(crate) webhooks: Arc<Sender>,
    /// Changes when an operator has changed webhooks.
    pub(crate) webhook_changes: watch::Sender<()>,
    /// The labels of the streams of boxes.
    pub(crate) streams: Vec<String>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// An operator has changed webhooks or push messages.
    pub(crate) fn operator_changed(&self) {
        self.webhook_changes.send_replace(());
        self.wakeups.wake_all();
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
