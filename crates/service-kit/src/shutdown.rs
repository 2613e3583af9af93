//! The end of a process: after SIGTERM or Ctrl-C, or after the failure of a required background task.

use std::{io, panic::AssertUnwindSafe, process, thread, time::Duration};

use futures::FutureExt;
use supervision::Failure;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::sleep,
};

/// The longest orderly stop. The supervisor may kill the process after five seconds.
const STOP_LIMIT: Duration = Duration::from_millis(4500);

/// The longest time to the end of the process after a failure.
const FAILURE_LIMIT: Duration = Duration::from_millis(800);

/// Runs a service, passing it a future that completes when it should stop. Fails when a supervised task fails.
///
/// A separate thread ends the process if that takes too long, even if every other thread hangs.
pub async fn supervised<F, E>(service: impl FnOnce(Stop) -> F) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
    E: From<Failure> + From<io::Error>,
{
    let (stop_sender, stop_receiver) = oneshot::channel();
    let watchdog_runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("shutdown".to_owned())
        .spawn(move || watchdog_runtime.block_on(enforce_limits(stop_sender)))?;
    let stop = async move {
        if stop_receiver.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = AssertUnwindSafe(service(Box::pin(stop))).catch_unwind() => ended.unwrap_or_else(|panic| {
            Err(Failure { task: "the service", reason: supervision::message(panic.as_ref()) }.into())
        }),
        failure = supervision::failure() => Err(failure.into()),
    }
}

/// A future that completes when the service should stop.
pub type Stop = futures::future::BoxFuture<'static, ()>;

/// Forwards a signal, and ends the process if it has not ended in time.
async fn enforce_limits(stop_sender: oneshot::Sender<()>) {
    tokio::select! {
        () = signal_received() => {
            let _ = stop_sender.send(());
            sleep(STOP_LIMIT).await;
            tracing::error!("the process did not stop in time");
        }
        _ = supervision::failure() => sleep(FAILURE_LIMIT).await,
    }
    process::exit(1);
}

/// Waits until the process is asked to stop.
async fn signal_received() {
    let interrupt = async {
        // Without a handler the default action ends the process, as requested.
        let _ = tokio::signal::ctrl_c().await;
    };
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("received a stop signal");
}
