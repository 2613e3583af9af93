//! The threads of live connections: when thousands come at once these wait for each other, and reads do not wait for them.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Threads beside those that serve requests. One for the process; what runs there ends with it.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    /// As many as there are processors.
    pub(super) fn start() -> io::Result<Self> {
        Builder::new_multi_thread().thread_name("live").enable_all().build().map(Some).map(Self)
    }

    /// Serves a connection there.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        if let Self(Some(runtime)) = self {
            runtime.spawn(connection);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // waiting for them to end is not allowed where this may happen
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
