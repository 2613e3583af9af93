//! Appends with the client library to streams of the measured nats-server. They cost what an append costs at least.

use anyhow::ensure;
use async_nats::{
    HeaderMap,
    jetstream::{self, Context, stream},
};
use bytes::Bytes;
use harness::{Account, Stack};
use wire::OWNER_API_PREFIX;

use crate::{
    accounting::Watch,
    load::requests::Outcome,
    plan::Options,
    tasks::{self, Worker},
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
        let before = self.stored().await?;
        let run = rand::random();
        let publisher =
            || Publisher { context: self.context.clone(), subjects, run, payload: vec![b'a'; PAYLOAD].into() };
        let publishers = (0..in_flight).map(|_| publisher()).collect();
        let outcome = tasks::run(publishers, options, watch).await?;
        let stored = self.stored().await? - before;
        ensure!(stored == outcome.requests, "{stored} of {} messages are stored", outcome.requests);
        Ok(outcome)
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

/// A client that appends one message after another.
struct Publisher {
    context: Context,
    subjects: usize,
    /// Differs from run to run: message ids are used once.
    run: u32,
    payload: Bytes,
}

impl Worker for Publisher {
    async fn execute(&mut self, number: u64) -> anyhow::Result<()> {
        let subject = usize::try_from(number)? % self.subjects;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{:08x}-{number}", self.run));
        let subject = format!("bench.{}.{subject}", subject % STREAMS);
        self.context.publish_with_headers(subject, headers, self.payload.clone()).await?.await?;
        Ok(())
    }
}
