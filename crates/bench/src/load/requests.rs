//! A loop of requests over HTTP to one service.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use mio::{Events, Poll};
use tokio::task::spawn_blocking;

use super::{
    commands::{Answer, Commands},
    histogram::{Histogram, float},
    pace::{BEAT, Due, MAX_IN_FLIGHT, Pace},
};
use crate::{
    accounting::{Reading, Spent, Watch},
    cpu,
    results::{LOAD_CLIENT, Sample},
};

/// The time limit of the last responses.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// The requests of one run.
pub(crate) trait Requests {
    /// Builds the n-th request, from 0.
    fn request(&mut self, number: u64) -> String;

    /// Describes what is wrong with a response.
    fn check(&mut self, answer: &Answer) -> Option<String>;
}

/// A loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loop {
    pub(crate) address: SocketAddr,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// The result of a loop.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the time at which a request was due to the last byte of its response.
    pub(crate) latency: Histogram,
    pub(crate) spent: Spent,
    /// Seconds of processor time of this client. None if the client is a part of the system.
    pub(crate) client: Option<f64>,
    /// All requests, also those while warming up.
    pub(crate) requests: u64,
    /// Unexpected responses. Empty if all is well.
    pub(crate) faults: BTreeSet<String>,
}

/// Runs a loop in a thread of its own. Returns the requests with the result.
pub(crate) async fn run<R: Requests + Send + 'static>(
    settings: Loop,
    watch: &Watch,
    mut requests: R,
) -> anyhow::Result<(Outcome, R)> {
    let watch = watch.clone();
    spawn_blocking(move || Ok((run_here(settings, &watch, &mut requests)?, requests))).await?
}

fn run_here(settings: Loop, watch: &Watch, requests: &mut dyn Requests) -> anyhow::Result<Outcome> {
    let poll = Poll::new()?;
    let size = match settings.pace {
        Pace::Window(size) => usize::try_from(size)?,
        Pace::Rate(_) => MAX_IN_FLIGHT,
    };
    let mut client = Client {
        requests,
        commands: Commands::connect(settings.address, size, poll.registry())?,
        poll,
        due: HashMap::new(),
        number: 0,
        is_closed: matches!(settings.pace, Pace::Window(_)),
        measures: false,
        latency: Histogram::default(),
        faults: BTreeSet::new(),
    };
    let start = Instant::now();
    let mut due = Due::start(settings.pace, start, client.poll.registry())?;
    if client.is_closed {
        for _ in 0..size {
            client.send(start)?;
        }
    }
    client.run_until(start + settings.warm_up, &mut due)?;
    let before: (Reading, f64) = (watch.read(), cpu::of_this_thread());
    client.measures = true;
    client.run_until(Instant::now() + settings.time, &mut due)?;
    client.measures = false;
    let after = (watch.read(), cpu::of_this_thread());
    client.drain()?;
    Ok(Outcome {
        latency: client.latency,
        spent: after.0.since(&before.0),
        client: Some(after.1 - before.1),
        requests: client.number,
        faults: client.faults,
    })
}

struct Client<'a> {
    requests: &'a mut dyn Requests,
    commands: Commands,
    poll: Poll,
    /// The time at which each outstanding request was due.
    due: HashMap<u64, Instant>,
    number: u64,
    is_closed: bool,
    measures: bool,
    latency: Histogram,
    faults: BTreeSet<String>,
}

impl Client<'_> {
    fn send(&mut self, due: Instant) -> anyhow::Result<()> {
        let request = self.requests.request(self.number);
        self.due.insert(self.number, due);
        self.number += 1;
        self.commands.send(self.number - 1, request.into_bytes())
    }

    fn run_until(&mut self, end: Instant, due: &mut Due) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            while let Some((_, since)) = due.next(now) {
                self.send(since)?;
            }
            let answered = self.turn(&mut events, end - now)?;
            if self.is_closed {
                for _ in 0..answered {
                    self.send(Instant::now())?;
                }
            }
        }
    }

    fn drain(&mut self) -> anyhow::Result<()> {
        let (mut events, end) = (Events::with_capacity(1024), Instant::now() + DRAIN_TIMEOUT);
        while !self.commands.is_idle() {
            ensure!(Instant::now() < end, "some responses do not come");
            self.turn(&mut events, Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Handles what has arrived. Returns the number of responses.
    fn turn(&mut self, events: &mut Events, timeout: Duration) -> anyhow::Result<usize> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let mut answered = 0;
        for event in events.iter().filter(|event| event.token() != BEAT) {
            let Some(answer) = self.commands.read(event.token())? else { continue };
            self.faults.extend(self.requests.check(&answer));
            let due = self.due.remove(&answer.number);
            if self.measures
                && let Some(due) = due
            {
                self.latency.add(due.elapsed());
            }
            answered += 1;
        }
        Ok(answered)
    }
}

impl Outcome {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.latency.count()) / self.spent.seconds
    }

    /// Microseconds of processor time for each request, by process.
    pub(crate) fn micros_per_request(&self) -> Vec<(&'static str, f64)> {
        let client = self.client.map(|seconds| (LOAD_CLIENT, seconds));
        let all = self.spent.by_process.iter().copied().chain(client);
        all.map(|(name, seconds)| (name, seconds * 1e6 / float(self.latency.count().max(1)))).collect()
    }

    /// Returns rate, latency and processor time.
    pub(crate) fn sample(&self, rate: &'static str) -> Sample {
        let sample = Sample::default()
            .figure(rate, self.rate())
            .figure("p50 ms", self.latency.p50_ms())
            .figure("p99 ms", self.latency.p99_ms());
        Sample {
            cpu_micros: self.micros_per_request(),
            curve: self.latency.curve(),
            disturbances: self.spent.disturbance().into_iter().collect(),
            faults: self.faults.clone(),
            ..sample
        }
    }
}
