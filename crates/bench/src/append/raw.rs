//! Appends with the client library to streams of the measured nats-server. They cost what an append costs at least.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::ensure;
use async_nats::{
    HeaderMap,
    jetstream::{self, Context, stream},
};
use futures::future::try_join_all;
use harness::{Account, Stack};
use tokio::time::sleep;
use wire::OWNER_API_PREFIX;

use crate::{
    accounting::Watch,
    cpu,
    load::{histogram::Histogram, requests::Outcome},
    plan::Options,
};

/// The number of streams, as many as Boxroom has partitions.
const STREAMS: usize = 4;

/// The size of a stored message of Boxroom without its headers.
const PAYLOAD: usize = 450;

/// The streams.
pub(super) struct Raw {
    context: Context,
}

impl Raw {
    /// Creates the streams, on the server of a stack.
    pub(super) async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let client = service_kit::nats::connect(&stack.nats_url(Account::Admin), "bench").await?;
        let context = jetstream::with_prefix(client, OWNER_API_PREFIX);
        for number in 0..STREAMS {
            let subjects = vec![format!("bench.{number}.*")];
            let config = stream::Config { name: format!("bench-{number}"), subjects, ..stream::Config::default() };
            context.create_stream(config).await?;
        }
        Ok(Self { context })
    }

    /// Appends in a closed loop.
    pub(super) async fn append(
        &self,
        subjects: usize,
        in_flight: u32,
        options: &Options,
        watch: &Watch,
    ) -> anyhow::Result<Outcome> {
        let before_all = self.stored().await?;
        let shared = Arc::new(Shared::default());
        let (run, payload) = (rand::random::<u32>(), bytes::Bytes::from(vec![b'a'; PAYLOAD]));
        let workers = (0..in_flight).map(|_| {
            let (context, shared, payload) = (self.context.clone(), Arc::clone(&shared), payload.clone());
            tokio::spawn(async move { shared.append(&context, subjects, run, &payload).await })
        });
        let workers: Vec<_> = workers.collect();
        sleep(options.warm_up()).await;
        let before = (watch.read(), cpu::of(std::process::id().cast_signed()));
        shared.measures.store(true, Ordering::Relaxed);
        sleep(options.time()).await;
        shared.ends.store(true, Ordering::Relaxed);
        let after = (watch.read(), cpu::of(std::process::id().cast_signed()));
        let mut latency = Histogram::default();
        for measured in try_join_all(workers).await? {
            latency.merge(&measured?);
        }
        let requests = shared.number.load(Ordering::Relaxed);
        let stored = self.stored().await? - before_all;
        ensure!(stored == requests, "{stored} of {requests} messages are stored");
        let spent = after.0.since(&before.0);
        Ok(Outcome { latency, spent, client: after.1 - before.1, requests, faults: BTreeSet::new() })
    }

    /// The number of stored messages.
    async fn stored(&self) -> anyhow::Result<u64> {
        let mut stored = 0;
        for number in 0..STREAMS {
            stored += self.context.get_stream(format!("bench-{number}")).await?.cached_info().state.messages;
        }
        Ok(stored)
    }
}

/// The state that all workers of a run share.
#[derive(Default)]
struct Shared {
    /// The number of messages so far.
    number: AtomicU64,
    measures: AtomicBool,
    ends: AtomicBool,
}

impl Shared {
    async fn append(
        &self,
        context: &Context,
        subjects: usize,
        run: u32,
        payload: &bytes::Bytes,
    ) -> anyhow::Result<Histogram> {
        let mut latency = Histogram::default();
        while !self.ends.load(Ordering::Relaxed) {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let subject = usize::try_from(number)? % subjects;
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", format!("{run:08x}-{number}"));
            let (begun, measures) = (Instant::now(), self.measures.load(Ordering::Relaxed));
            let subject = format!("bench.{}.{subject}", subject % STREAMS);
            context.publish_with_headers(subject, headers, payload.clone()).await?.await?;
            if measures && !self.ends.load(Ordering::Relaxed) {
                latency.add(begun.elapsed());
            }
        }
        Ok(latency)
    }
}
