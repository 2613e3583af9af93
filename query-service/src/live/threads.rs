//! The threads of live connections. They are separate from those of reads, so that reads stay fast while thousands of
//! clients connect.

use std::io;

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinError,
};

/// A runtime beside the one that serves requests. One per process. Its tasks end with it.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// Starts one thread per processor.
    pub(crate) fn start() -> io::Result<Self> {
        Builder::new_multi_thread().thread_name("live").enable_all().build().map(Some).map(Self)
    }

    /// Runs a future on these threads, with all tasks that it spawns. Fails if it panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        match &self.0 {
            Some(runtime) => runtime.spawn(future).await,
            None => Ok(future.await),
        }
    }

    /// Runs a task on these threads.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Self(Some(runtime)) = self {
            runtime.spawn(task);
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
