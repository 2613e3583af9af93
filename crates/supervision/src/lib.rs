//! Supervision of the background tasks that a process cannot work without: the first failure of one is the failure of
//! the whole process, which is reported in `/healthz` and ends the process. And the times at which they wake.
//!
//! There is one per process, because a process is the unit that can be restarted.

pub mod ticks;

use std::{any::Any, fmt, panic::AssertUnwindSafe, sync::LazyLock};

use futures::FutureExt;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// The first failure of this process.
static FAILURE: LazyLock<watch::Sender<Option<Failure>>> = LazyLock::new(|| watch::Sender::new(None));

/// A background task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the task.
    pub task: &'static str,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.task, self.reason)
    }
}

impl std::error::Error for Failure {}

/// A group of tasks that run as long as their service. The end of any of them is the failure of the process. Dropping
/// this value aborts all.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<()>);

impl Tasks {
    /// Spawns a task.
    pub fn spawn<T: 'static>(&mut self, name: &'static str, task: impl Future<Output = T> + Send + 'static) {
        self.0.spawn(async move {
            run(name, task).await;
            fail(name, "ended");
        });
    }
}

/// Spawns a task whose panic is the failure of the process. Aborting it or letting it return is not.
pub fn spawn<T: 'static>(name: &'static str, task: impl Future<Output = T> + Send + 'static) -> AbortHandle {
    tokio::spawn(run(name, task)).abort_handle()
}

/// Runs a task whose panic is the failure of the process. For separate threads and runtimes.
pub async fn run<T>(name: &'static str, task: impl Future<Output = T>) {
    if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
        fail(name, message(panic.as_ref()));
    }
}

/// Reports that a task has failed. Only the first report in a process counts.
pub fn fail(task: &'static str, reason: impl Into<String>) {
    let failure = Failure { task, reason: reason.into() };
    FAILURE.send_if_modified(|first| {
        let is_first = first.is_none();
        if is_first {
            tracing::error!(task, reason = failure.reason, "a background task failed");
            *first = Some(failure);
        }
        is_first
    });
}

/// The failure of this process, if there is one.
pub fn failed() -> Option<Failure> {
    FAILURE.borrow().clone()
}

/// Waits for the failure of this process.
pub async fn failure() -> Failure {
    let mut failure = FAILURE.subscribe();
    match failure.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(failure)) => failure.clone(),
        // The sender is never dropped.
        _ => std::future::pending().await,
    }
}

/// Returns the text of a panic.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    // This is the only test, because the failure of a process cannot be reset.
    #[tokio::test]
    async fn the_first_panic_of_a_supervised_task_ends_the_process() {
        spawn("one that ends", async {});
        spawn("one that is aborted", pending::<()>()).abort();
        tokio::task::yield_now().await;
        assert_eq!(failed(), None);
        spawn("one that panics", async { panic!("out of luck") });
        let first = failure().await;
        assert_eq!(first.to_string(), "one that panics failed: out of luck");
        fail("another one", "too late");
        assert_eq!(failed(), Some(first));
    }
}
