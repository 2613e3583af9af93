//! The speed of building a read model from the log, its growth with the log, and its ratio to a bare copy of the same
//! rows.

mod copy;
mod event_generator;
mod fill;
mod servers;

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use event_store::{Log, StreamState};
use projector::{
    Database, Mode, Throttle,
    generation::{self, Origin},
    read_error::ReadError,
};
use serde::Serialize;
use wire::{StreamName, streams};

use crate::cpu::{Cpu, Processes};
use servers::Servers;

/// The number of the generation that is built.
const GENERATION: i32 = 1;

/// The number of the generation that its rows are copied into.
const COPY: i32 = 2;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Number of events in the log; several numbers for several runs, each on fresh servers
    #[arg(long, value_delimiter = ',', default_value = "400000", value_name = "N,N")]
    events: Vec<usize>,
    /// Number of box streams in the log
    #[arg(long, default_value_t = 4)]
    partitions: u16,
    /// Write in live mode, to see the difference
    #[arg(long)]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The results and conditions of all runs.
#[derive(Debug, Serialize)]
struct Report {
    /// The settings of the servers that matter for the results.
    servers: &'static str,
    /// One run for each number of events.
    runs: Vec<Run>,
    /// The time per event of the last run over that of the first: 1 is linear.
    linearity: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Run {
    events: usize,
    rows: u64,
    fill_seconds: f64,
    /// The time until the generation reached the end of the log.
    catch_up_seconds: f64,
    /// The time of secondary indexes and statistics.
    index_seconds: f64,
    /// The rate over both times.
    events_per_second: f64,
    /// The time of a binary COPY of the same rows over two connections, without indexes.
    copy_seconds: f64,
    copy_index_seconds: f64,
    /// The time of copying over the time of building, both with indexes.
    ratio: f64,
    /// Processor time of catching up, without indexes.
    cpu_per_100k_events: Cpu,
    /// Processor time of the secondary indexes.
    index_cpu_per_100k_events: Cpu,
    copy_cpu_per_100k_events: Cpu,
}

/// Executes all runs and returns the report.
pub(crate) async fn run(options: &Options) -> anyhow::Result<String> {
    let mut runs = Vec::new();
    for events in &options.events {
        runs.push(Box::pin(measure(*events, options)).await?);
    }
    let report = Report { servers: servers::SETTINGS, linearity: linearity(&runs), runs };
    if options.json { Ok(serde_json::to_string_pretty(&report)?) } else { report.text().context("no text") }
}

impl Options {
    fn mode(&self) -> Mode {
        if self.live { Mode::Live } else { Mode::Building(Throttle::default()) }
    }
}

fn linearity(runs: &[Run]) -> Option<f64> {
    let [first, .., last] = runs else { return None };
    Some(first.events_per_second / last.events_per_second)
}

async fn measure(events: usize, options: &Options) -> anyhow::Result<Run> {
    let partitions = options.partitions;
    let servers = Servers::start(partitions).await?;
    let start = Instant::now();
    let events = fill::fill(&servers.owner_log().await?, partitions, events).await?;
    let fill_seconds = start.elapsed().as_secs_f64();
    eprintln!("{events} events are in the log");

    let (log, database) = (servers.log().await?, servers.database()?);
    let streams = streams(partitions);
    generation::migrate(&database).await?;
    let origins = origins(log.as_ref(), &streams).await?;
    generation::create(&database, GENERATION, &origins).await?;
    let processes = servers.processes().await?;
    let built = build(&database, &log, (&streams, &options.mode()), processes).await?;
    let copied = copy::copy(&servers, (GENERATION, COPY), &origins, processes).await?;

    let hundred_thousands = per_100k(events);
    let built_seconds = built.rows.seconds + built.indexes.seconds;
    let copied_seconds = copied.rows.seconds + copied.indexes.seconds;
    Ok(Run {
        events,
        rows: copied.count,
        fill_seconds,
        catch_up_seconds: built.rows.seconds,
        index_seconds: built.indexes.seconds,
        events_per_second: hundred_thousands * 100_000.0 / built_seconds,
        copy_seconds: copied.rows.seconds,
        copy_index_seconds: copied.indexes.seconds,
        ratio: copied_seconds / built_seconds,
        cpu_per_100k_events: built.rows.cpu.per(hundred_thousands),
        index_cpu_per_100k_events: built.indexes.cpu.per(hundred_thousands),
        copy_cpu_per_100k_events: copied.rows.cpu.per(hundred_thousands),
    })
}

fn per_100k(events: usize) -> f64 {
    u32::try_from(events).map_or(f64::INFINITY, f64::from) / 100_000.0
}

/// The measurement of one part of a run.
struct Part {
    seconds: f64,
    cpu: Cpu,
}

/// The parts of a run: rows first, then indexes.
struct Parts {
    rows: Part,
    indexes: Part,
}

async fn timed<T>(processes: Processes, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, Part)> {
    let (start, before) = (Instant::now(), processes.used());
    let done = work.await?;
    Ok((done, Part { seconds: start.elapsed().as_secs_f64(), cpu: processes.used().since(before) }))
}

async fn build(
    database: &Database,
    log: &Arc<dyn Log>,
    (streams, mode): (&[StreamName], &Mode),
    processes: Processes,
) -> anyhow::Result<Parts> {
    // Retries after a timeout of a busy server, like the running projector.
    let rows = async {
        loop {
            match projector::catch_up(database, log, GENERATION, streams, mode).await {
                Err(ReadError::Unavailable(reason)) => eprintln!("retrying: {reason}"),
                other => return Ok(other?),
            }
        }
    };
    let ((), rows) = timed(processes, rows).await?;
    let ((), indexes) = timed(processes, async { Ok(projector::complete(database, GENERATION).await?) }).await?;
    Ok(Parts { rows, indexes })
}

async fn origins(log: &dyn Log, streams: &[StreamName]) -> anyhow::Result<Vec<Origin>> {
    let mut origins = Vec::new();
    for stream in streams {
        origins.push(Origin { stream: *stream, incarnation: state(log, *stream).await?.incarnation });
    }
    Ok(origins)
}

/// Reads the state of a stream. Retries, because a server is slow right after it was filled.
async fn state(log: &dyn Log, stream: StreamName) -> anyhow::Result<StreamState> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match log.state(stream).await {
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => {}
            Ok(state) => return Ok(state),
        }
    }
}

impl Report {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = format!("{}\n", self.servers);
        for run in &self.runs {
            run.write(&mut text)?;
        }
        if let Some(linearity) = self.linearity {
            write!(text, "\ntime per event, last run over first: {linearity:.2}")?;
        }
        Ok(text)
    }
}

impl Run {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n{} events, {} rows, written into the log in {:.1} s",
            self.events, self.rows, self.fill_seconds
        )?;
        writeln!(
            text,
            "built   {:6.2} s = {:.2} rows + {:.2} indexes   {:.0} events/s",
            self.catch_up_seconds + self.index_seconds,
            self.catch_up_seconds,
            self.index_seconds,
            self.events_per_second,
        )?;
        writeln!(
            text,
            "copied  {:6.2} s = {:.2} rows + {:.2} indexes   ratio {:.2}",
            self.copy_seconds + self.copy_index_seconds,
            self.copy_seconds,
            self.copy_index_seconds,
            self.ratio,
        )?;
        writeln!(text, "processor seconds per 100,000 events   projector  postgres  nats   sum")?;
        for (what, cpu) in [
            ("rows", self.cpu_per_100k_events),
            ("indexes", self.index_cpu_per_100k_events),
            ("copied rows", self.copy_cpu_per_100k_events),
        ] {
            let Cpu { projector, postgres, nats } = cpu;
            writeln!(text, "  {what:<36} {projector:9.2} {postgres:9.2} {nats:5.2} {:5.2}", cpu.sum())?;
        }
        Ok(())
    }
}
