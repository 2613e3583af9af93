//! A closed loop of tasks, for systems that are reached over a client library.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use futures::future::try_join_all;
use tokio::time::sleep;

use crate::{
    accounting::Watch,
    cpu,
    load::{histogram::Histogram, requests::Outcome},
    plan::Options,
};

/// One of the concurrent clients.
pub(crate) trait Worker: Send + 'static {
    /// Executes the n-th request of all workers, from 0.
    fn execute(&mut self, number: u64) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// The state that all workers of a run share.
#[derive(Default)]
struct Shared {
    /// The number of requests so far.
    number: AtomicU64,
    measures: AtomicBool,
    ends: AtomicBool,
}

/// Lets each worker execute one request after another.
pub(crate) async fn run<W: Worker>(workers: Vec<W>, options: &Options, watch: &Watch) -> anyhow::Result<Outcome> {
    let shared = Arc::new(Shared::default());
    let tasks: Vec<_> = workers.into_iter().map(|worker| tokio::spawn(repeat(worker, Arc::clone(&shared)))).collect();
    sleep(options.warm_up()).await;
    let account = || (watch.read(), cpu::of(std::process::id().cast_signed()));
    let before = account();
    shared.measures.store(true, Ordering::Relaxed);
    sleep(options.time()).await;
    shared.measures.store(false, Ordering::Relaxed);
    let after = account();
    // Only now, because processes of connections that end would be missing in the account.
    shared.ends.store(true, Ordering::Relaxed);
    let mut latency = Histogram::default();
    for measured in try_join_all(tasks).await? {
        latency.merge(&measured?);
    }
    Ok(Outcome {
        latency,
        spent: after.0.since(&before.0),
        client: Some(after.1 - before.1),
        requests: shared.number.load(Ordering::Relaxed),
        faults: BTreeSet::new(),
    })
}

async fn repeat<W: Worker>(mut worker: W, shared: Arc<Shared>) -> anyhow::Result<Histogram> {
    let mut latency = Histogram::default();
    while !shared.ends.load(Ordering::Relaxed) {
        let number = shared.number.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        worker.execute(number).await?;
        if shared.measures.load(Ordering::Relaxed) {
            latency.add(begun.elapsed());
        }
    }
    Ok(latency)
}
