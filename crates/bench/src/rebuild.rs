//! How fast a read model is built from the log, how that grows with the log, and how near it comes to merely copying
//! the same rows in.

mod copy;
mod fill;
mod servers;
mod town;

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use event_store::{Log, StreamName, StreamState, streams};
use projector::{
    Database, Mode, Throttle,
    generation::{self, Origin},
    reader::ReadError,
};
use serde::Serialize;

use crate::cpu::{Cpu, Processes};
use servers::Servers;

/// The generation that is built.
const GENERATION: i32 = 1;

/// The generation that its rows are copied into.
const COPY: i32 = 2;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many events the log holds; several for several runs, each on fresh servers
    #[arg(long, value_delimiter = ',', default_value = "400000", value_name = "N,N")]
    events: Vec<usize>,
    /// Over how many streams the boxes are spread
    #[arg(long, default_value_t = 4)]
    partitions: u16,
    /// Write as if the generation were read meanwhile, to see the difference
    #[arg(long)]
    live: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured, and how.
#[derive(Debug, Serialize)]
struct Report {
    /// What to know about the servers.
    servers: &'static str,
    /// One for each number of events.
    runs: Vec<Run>,
    /// Time of the last run over that of the first, by the factor between their events: 1 is linear.
    linearity: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Run {
    events: usize,
    rows: u64,
    fill_seconds: f64,
    /// Until the generation was at the end of the log.
    catch_up_seconds: f64,
    /// Secondary indexes and statistics.
    index_seconds: f64,
    /// Over both.
    events_per_second: f64,
    /// The same rows in binary COPY over two connections, then the same indexes.
    copy_seconds: f64,
    copy_index_seconds: f64,
    /// Copying over building.
    ratio: f64,
    /// Catching up, without indexes.
    cpu_per_100k_events: Cpu,
    /// The secondary indexes.
    index_cpu_per_100k_events: Cpu,
    copy_cpu_per_100k_events: Cpu,
}

/// Runs it all and says what came out.
pub(crate) async fn run(options: &Options) -> anyhow::Result<String> {
    let mut runs = Vec::new();
    for events in &options.events {
        runs.push(measure(*events, options).await?);
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
    let events = fill::fill(&servers.owned_log().await?, partitions, events).await?;
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

/// A part of a run.
struct Part {
    seconds: f64,
    cpu: Cpu,
}

/// Rows first, indexes then.
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
    // Goes on after a server was busy, as the running projector does.
    let rows = async {
        loop {
            match projector::catch_up(database, log, GENERATION, streams, mode).await {
                Err(ReadError::Away(reason)) => eprintln!("once more: {reason}"),
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

/// Right after it was filled, a server is slow to answer.
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
