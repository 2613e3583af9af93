//! The number, the length and the order of runs.

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    progress::Progress,
    results::{Results, Sample},
};

/// The files that a process needs besides its connections.
const OTHER_FILES: u64 = 500;

/// Options of all measured scenarios.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Take some 10 seconds for each scenario, to see that everything works
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure other systems as well: socket.io, ejabberd, and cqrs-es with PostgreSQL
    #[arg(long)]
    pub(crate) peers: bool,
    /// Number of runs of each case that must count
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) runs: u8,
    /// Seconds of each measurement, after a warm-up
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Run only the cases whose names contain this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a report with plots to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<std::path::PathBuf>,
}

impl Options {
    /// The time before a measurement, in which caches fill.
    pub(crate) fn warm_up(&self) -> Duration {
        if self.quick { Duration::from_millis(200) } else { Duration::from_secs(2) }
    }

    /// The time of a measurement.
    pub(crate) fn time(&self) -> Duration {
        if self.quick { Duration::from_millis(800) } else { Duration::from_secs(self.seconds) }
    }

    /// Returns the first number for a quick run, or else the second one.
    pub(crate) fn size(&self, quick: usize, full: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// True if a case is wanted.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|text| case.contains(text.as_str()))
    }

    fn runs(&self) -> usize {
        if self.quick { 1 } else { self.runs.into() }
    }

    /// The limit of runs, as disturbed ones do not count.
    fn attempts(&self) -> usize {
        if self.quick { 1 } else { 2 * self.runs() }
    }
}

/// A system or a setting that is measured beside others.
pub(crate) trait Subject {
    /// The name in reports.
    fn name(&self) -> &'static str;
}

/// Runs all subjects in turn, so that slow changes of the machine affect all of them, until enough runs count.
pub(crate) async fn alternate<S: Subject>(
    results: &mut Results,
    options: &Options,
    (case, subjects): (&str, &[S]),
    progress: &Progress,
    measure: impl AsyncFn(&S) -> anyhow::Result<Sample>,
) -> anyhow::Result<()> {
    if !options.wants(case) {
        return Ok(());
    }
    for attempt in 1..=options.attempts() {
        for subject in subjects {
            let name = subject.name();
            if results.counted(case, name) >= options.runs() {
                continue;
            }
            progress.stage(&format!("{}: {case}, {name}, run {attempt}", results.scenario));
            let sample = measure(subject).await?;
            if let Some(reason) = sample.disturbances.first() {
                progress.note(&format!("{case}, {name}: does not count, {reason}"));
            }
            results.add(case, name, sample);
        }
    }
    Ok(())
}

/// Raises the limit of open files of this process and of those that it starts, for this number of connections.
pub(crate) fn allow_files(connections: usize) -> anyhow::Result<()> {
    let files = connections as u64 + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.is_none_or(|maximum| files <= maximum);
    ensure!(allowed, "this needs {files} open files: raise the limit with `ulimit -n`");
    limit.current = limit.current.map(|current| current.max(files));
    setrlimit(Resource::Nofile, limit).context("the limit of open files cannot be raised")
}
