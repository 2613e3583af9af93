//! The end of a process: SIGTERM or Ctrl-C, or the failure of a background task that it needs.

use std::{io, panic::AssertUnwindSafe, process, thread, time::Duration};

use futures::FutureExt;
use supervision::Failure;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::sleep,
};

/// The time limit of an orderly stop after a signal. The supervisor of the process may kill it after five seconds.
const STOP_LIMIT: Duration = Duration::from_millis(4500);

/// The time limit of an orderly end after a failure.
const FAILURE_LIMIT: Duration = Duration::from_millis(800);

/// Runs a service, which is given a future that completes when it shall stop. Ends with an error when a supervised task
/// fails.
///
/// A thread of its own ends the process if that takes too long, even if every other thread hangs.
pub async fn supervised<F, E>(service: impl FnOnce(Stop) -> F) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
    E: From<Failure> + From<io::Error>,
{
    let (ask, asked) = oneshot::channel();
    let alone = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("shutdown".to_owned()).spawn(move || alone.block_on(end_in_time(ask)))?;
    let stop = async move {
        if asked.await.is_err() {
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

/// Completes when the service shall stop.
pub type Stop = futures::future::BoxFuture<'static, ()>;

/// Passes a signal on, and ends the process if it has not ended by itself in time.
async fn end_in_time(ask: oneshot::Sender<()>) {
    tokio::select! {
        () = signal_received() => {
            let _ = ask.send(());
            sleep(STOP_LIMIT).await;
            tracing::error!("did not stop in time");
        }
        _ = supervision::failure() => sleep(FAILURE_LIMIT).await,
    }
    process::exit(1);
}

/// Returns once the process has been asked to stop.
async fn signal_received() {
    let interrupt = async {
        // Without a handler the default action ends the process, which is what was asked for.
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
    tracing::info!("asked to stop");
}
