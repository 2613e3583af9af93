//! The threads of live connections. They are separate from those of reads, so that reads stay fast while thousands of
//! clients connect.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime beside the one that serves requests. One per process. Its tasks end with it.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    /// Starts one thread per processor.
    pub(super) fn start() -> io::Result<Self> {
        Builder::new_multi_thread().thread_name("live").enable_all().build().map(Some).map(Self)
    }

    /// Runs a connection on these threads.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        if let Self(Some(runtime)) = self {
            runtime.spawn(connection);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for their end is not allowed in an async context, in which this may run.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
