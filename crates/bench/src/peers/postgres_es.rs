//! cqrs-es with postgres-es, in a process of its own that posts to its aggregates without HTTP or tokens.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use harness::{
    output::Output,
    process::{Launch, Process},
};
use serde::Deserialize;
use tokio::{sync::mpsc, time::timeout};

use super::{database::Database, folder};
use crate::{
    accounting::Watch,
    load::{
        histogram::{Histogram, float},
        requests::Outcome,
    },
    plan::Options,
};

/// The files of the program, with pinned versions and hashes of its dependencies.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../peers/postgres-es/Cargo.toml")),
    ("Cargo.lock", include_str!("../../peers/postgres-es/Cargo.lock")),
    ("src/main.rs", include_str!("../../peers/postgres-es/src/main.rs")),
    ("src/room.rs", include_str!("../../peers/postgres-es/src/room.rs")),
    ("src/tables.sql", include_str!("../../peers/postgres-es/src/tables.sql")),
];

/// The time that a run may take longer than planned.
const SLACK: Duration = Duration::from_mins(1);

/// The built program and its database.
pub(crate) struct PostgresEs {
    program: PathBuf,
    database: Database,
}

/// The last line of a run.
#[derive(Debug, Deserialize)]
struct Results {
    latencies: Vec<u64>,
    commands: u64,
    conflicts: u64,
}

impl PostgresEs {
    /// Builds the program if it is missing, and starts a database.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder = folder::write("postgres-es", &FILES)?;
        folder::install(&folder, "cargo", &["build", "--release", "--locked", "--target-dir", "target"]).await?;
        let program = folder.join("target/release/boxroom-bench-postgres-es");
        Ok(Self { program, database: Database::start().await? })
    }

    /// Posts in a closed loop to empty aggregates. Also returns the number of conflicts for each command.
    pub(crate) async fn append(
        &self,
        aggregates: usize,
        in_flight: u32,
        snapshot_every: u32,
        options: &Options,
    ) -> anyhow::Result<(Outcome, f64)> {
        let (to, mut lines) = mpsc::unbounded_channel();
        let sink = move |_: &str, line: &str| drop(to.send(line.to_owned()));
        let launch = Launch::new("postgres-es", &self.program)
            .args(["--url", &self.database.url()])
            .args(["--aggregates", &aggregates.to_string(), "--in-flight", &in_flight.to_string()])
            .args(["--snapshot-every", &snapshot_every.to_string()])
            .args(["--warm-up-ms", &options.warm_up().as_millis().to_string()])
            .args(["--time-ms", &options.time().as_millis().to_string()]);
        let process = Process::spawn(launch, &Output::Lines(Arc::new(sink))).await?;
        let mut watch = Watch::default();
        watch.add("postgres-es", process.pid());
        watch.add_tree("postgres", self.database.pid().await.context("PostgreSQL does not run")?);
        let mut next = async || {
            let line = timeout(options.warm_up() + options.time() + SLACK, lines.recv()).await;
            line.ok().flatten().with_context(|| format!("postgres-es has failed:\n{}", process.last_output()))
        };
        expect(&next().await?, "begin")?;
        let before = watch.read();
        expect(&next().await?, "end")?;
        let after = watch.read();
        let results: Results = serde_json::from_str(&next().await?).context("no results")?;
        let mut latency = Histogram::default();
        results.latencies.iter().for_each(|nanos| latency.add(Duration::from_nanos(*nanos)));
        let each = float(results.conflicts) / float(results.commands.max(1));
        let (spent, requests) = (after.since(&before), results.commands);
        Ok((Outcome { latency, spent, client: None, requests, faults: BTreeSet::new() }, each))
    }
}

fn expect(line: &str, expected: &str) -> anyhow::Result<()> {
    if line == expected { Ok(()) } else { bail!("{line} instead of {expected}") }
}
