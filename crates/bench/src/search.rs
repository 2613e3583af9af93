//! The latency of searches by members of few and of many rooms, for common and rare words, and the plan.

mod fill;
mod served;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use fill::{MEMBERSHIPS, WORDS, member};
use served::Served;

/// Up to this number of messages, the results are compared with those of a search without the index.
const COMPARED: u64 = 200_000;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Number of messages
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    messages: u64,
    /// Number of searches for each word and member
    #[arg(long, default_value_t = 1000, value_name = "N")]
    repeats: usize,
    /// Print the plans
    #[arg(long)]
    plans: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    messages: u64,
    fill_seconds: f64,
    index_seconds: f64,
    /// Processor time of PostgreSQL for indexes and statistics.
    index_cpu_seconds: f64,
    /// Bytes per message.
    table_bytes: u64,
    words_bytes: u64,
    index_bytes: u64,
    searches: Vec<Measured>,
    plans: Vec<String>,
}

/// The latencies of one search, from the request to the last byte of its response.
#[derive(Debug, Serialize)]
struct Measured {
    /// The number of rooms of the member.
    rooms: u32,
    q: &'static str,
    found: usize,
    p50_ms: f64,
    p99_ms: f64,
    /// Processor time of PostgreSQL per search.
    cpu_ms: f64,
}

/// Fills a read model, measures all searches and returns the report.
pub(crate) async fn run(options: &Options) -> anyhow::Result<String> {
    let report = measure(options).await?;
    Ok(if options.json { serde_json::to_string_pretty(&report)? } else { report.text()? })
}

async fn measure(options: &Options) -> anyhow::Result<Report> {
    let served = Served::start().await?;
    let start = Instant::now();
    fill::fill(&served, options.messages).await?;
    let fill_seconds = start.elapsed().as_secs_f64();
    let processes = served.processes().await?;
    let (start, before) = (Instant::now(), processes.used());
    served.complete().await?;
    let index_seconds = start.elapsed().as_secs_f64();
    let index_cpu_seconds = processes.used().since(before).postgres;
    eprintln!("{} messages are written", options.messages);
    let (mut searches, mut plans) = (Vec::new(), Vec::new());
    for rooms in MEMBERSHIPS {
        for q in WORDS {
            if options.messages <= COMPARED {
                let (found, expected) = (served.search(rooms, q).await?, served.scan(rooms, q).await?);
                ensure!(found == expected, "{} searches for {q}: {found:?} instead of {expected:?}", member(rooms));
            }
            searches.push(repeat(&served, rooms, q, options.repeats).await?);
            if options.plans {
                plans.push(format!("{rooms} rooms, {q}\n{}", served.plan(rooms, q).await?));
            }
        }
    }
    let [table_bytes, words_bytes, index_bytes] = served.sizes(options.messages).await?;
    let messages = options.messages;
    Ok(Report {
        messages,
        fill_seconds,
        index_seconds,
        index_cpu_seconds,
        table_bytes,
        words_bytes,
        index_bytes,
        searches,
        plans,
    })
}

async fn repeat(served: &Served, rooms: u32, q: &'static str, repeats: usize) -> anyhow::Result<Measured> {
    let (mut times, mut found) = (Vec::new(), 0);
    let processes = served.processes().await?;
    let before = processes.used();
    for _ in 0..repeats {
        let start = Instant::now();
        found = served.search(rooms, q).await?.len();
        times.push(start.elapsed());
    }
    let cpu_ms = processes.used().since(before).postgres * 1000.0 / f64::from(u32::try_from(repeats)?);
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
    let milliseconds = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    Ok(Measured { rooms, q, found, p50_ms: milliseconds(at(50)), p99_ms: milliseconds(at(99)), cpu_ms })
}

impl Report {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let Self { messages, fill_seconds, index_seconds, index_cpu_seconds, .. } = self;
        let Self { table_bytes, words_bytes, index_bytes, .. } = self;
        let mut text = format!(
            "{messages} messages, written in {fill_seconds:.1} s, indexed in {index_seconds:.1} s \
             ({index_cpu_seconds:.1} s of processor time)\n\
             bytes per message: {table_bytes} in the table, {words_bytes} of them words, {index_bytes} in the index\n\n\
             rooms  search                      found    p50 ms    p99 ms  cpu of PostgreSQL ms\n"
        );
        for Measured { rooms, q, found, p50_ms, p99_ms, cpu_ms } in &self.searches {
            writeln!(text, "{rooms:5}  {q:<26} {found:6} {p50_ms:9.1} {p99_ms:9.1} {cpu_ms:9.1}")?;
        }
        for plan in &self.plans {
            write!(text, "\n{plan}")?;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn searches_over_thousands_of_messages_find_what_a_scan_finds() {
        let report = measure(&Options { messages: 20_000, repeats: 1, plans: false, json: false }).await.unwrap();
        assert_eq!(report.searches.len(), MEMBERSHIPS.len() * WORDS.len());
        assert!(report.searches.iter().any(|search| search.found == 50));
    }
}
