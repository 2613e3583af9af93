//! Posts messages to room aggregates of cqrs-es over postgres-es, in a closed loop in this process.
//!
//! Prints `begin` when the measured time begins, and one line of JSON with the results at its end. Then it waits to be
//! ended, so that its processor time can still be read.

mod room;

use std::{
    future::pending,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use clap::Parser;
use cqrs_es::AggregateError;
use postgres_es::{PostgresCqrs, postgres_cqrs, postgres_snapshot_cqrs};
use serde::Serialize;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::time::sleep;

use room::{PostMessage, Room};

/// The tables of postgres-es.
const TABLES: &str = include_str!("tables.sql");

const BODY: &str = "Hello there, this is an ordinary chat message of about one hundred and twenty characters, like \
                    those that people write.";

/// The size of the connection pool, that of its examples.
const CONNECTIONS: u32 = 10;

#[derive(Debug, Parser)]
struct Arguments {
    /// URL of an empty database
    #[arg(long)]
    url: String,
    #[arg(long)]
    aggregates: u64,
    #[arg(long)]
    in_flight: u64,
    /// Number of events between two snapshots; 0 for none
    #[arg(long)]
    snapshot_every: usize,
    #[arg(long)]
    warm_up_ms: u64,
    #[arg(long)]
    time_ms: u64,
}

/// The state that all clients share.
#[derive(Debug, Default)]
struct Shared {
    /// The number of commands so far.
    number: AtomicU64,
    conflicts: AtomicU64,
    measures: AtomicBool,
    ends: AtomicBool,
}

#[derive(Debug, Serialize)]
struct Results {
    /// Nanoseconds of each command in the measured time, with its attempts.
    latencies: Vec<u64>,
    commands: u64,
    conflicts: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&arguments.url).await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    let framework = Arc::new(match arguments.snapshot_every {
        0 => postgres_cqrs(pool.clone(), Vec::new(), ()),
        events => postgres_snapshot_cqrs(pool.clone(), Vec::new(), events, ()),
    });
    let shared = Arc::new(Shared::default());
    let clients = (0..arguments.in_flight).map(|_| {
        let (framework, shared) = (Arc::clone(&framework), Arc::clone(&shared));
        tokio::spawn(async move { shared.repeat(&framework, arguments.aggregates).await })
    });
    let clients: Vec<_> = clients.collect();
    sleep(Duration::from_millis(arguments.warm_up_ms)).await;
    shared.measures.store(true, Ordering::Relaxed);
    print("begin")?;
    sleep(Duration::from_millis(arguments.time_ms)).await;
    shared.measures.store(false, Ordering::Relaxed);
    print("end")?;
    shared.ends.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    let commands = shared.number.load(Ordering::Relaxed);
    check(&pool, commands).await?;
    let conflicts = shared.conflicts.load(Ordering::Relaxed);
    print(&serde_json::to_string(&Results { latencies, commands, conflicts })?)?;
    pending().await
}

impl Shared {
    async fn repeat(&self, framework: &PostgresCqrs<Room>, aggregates: u64) -> anyhow::Result<Vec<u64>> {
        let mut latencies = Vec::new();
        while !self.ends.load(Ordering::Relaxed) {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            self.post(framework, &format!("room-{}", number % aggregates)).await?;
            if self.measures.load(Ordering::Relaxed) {
                latencies.push(u64::try_from(begun.elapsed().as_nanos())?);
            }
        }
        Ok(latencies)
    }

    /// Posts a message, and repeats it after a conflict.
    async fn post(&self, framework: &PostgresCqrs<Room>, room: &str) -> anyhow::Result<()> {
        loop {
            let command = PostMessage { author: "ana".to_owned(), body: BODY.to_owned() };
            match framework.execute(room, command).await {
                Ok(()) => return Ok(()),
                Err(AggregateError::AggregateConflict) => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => bail!("a command failed: {error}"),
            }
        }
    }
}

/// Compares the number of stored events.
async fn check(pool: &PgPool, commands: u64) -> anyhow::Result<()> {
    let stored: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(pool).await?;
    ensure!(stored.cast_unsigned() == commands, "{stored} of {commands} events are stored");
    Ok(())
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}
