//! Runs scenarios, and writes their report.

use std::io::Write;

use anyhow::{Context, ensure};

use crate::{
    append, deliver, idle, lag, machine,
    plan::Options,
    progress::Progress,
    pushes, read, replay,
    report::{self, Report},
    results::Results,
    services,
};

/// A scenario whose results have the common form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    Deliver,
    Append,
    Pushes,
    Read,
    Idle,
    Lag,
    Replay,
}

impl Measured {
    /// All scenarios, the most important one first.
    pub(crate) const ALL: [Self; 7] =
        [Self::Deliver, Self::Append, Self::Pushes, Self::Read, Self::Idle, Self::Lag, Self::Replay];

    async fn run(self, options: &Options, progress: &Progress) -> anyhow::Result<Results> {
        match self {
            Self::Deliver => Box::pin(deliver::run(options, progress)).await,
            Self::Append => Box::pin(append::run(options, progress)).await,
            Self::Pushes => Box::pin(pushes::run(options, progress)).await,
            Self::Read => Box::pin(read::run(options, progress)).await,
            Self::Idle => Box::pin(idle::run(options, progress)).await,
            Self::Lag => Box::pin(lag::run(options, progress)).await,
            Self::Replay => Box::pin(replay::run(options, progress)).await,
        }
    }
}

/// Runs scenarios and returns their report. Fails after writing it if anything measured was wrong.
pub(crate) async fn run(scenarios: &[Measured], options: &Options) -> anyhow::Result<String> {
    services::build().await?;
    let progress = Progress::new(scenarios.len());
    let mut report = Report { machine: machine::describe()?, settings: machine::SETTINGS, scenarios: Vec::new() };
    for scenario in scenarios {
        report.scenarios.push(scenario.run(options, &progress).await?);
        progress.step();
        if let Some(file) = &options.html {
            // Written after each scenario, so that a failure of a later one loses nothing.
            std::fs::write(file, report::page(&report)?).with_context(|| format!("no {}", file.display()))?;
        }
    }
    drop(progress);
    let text = if options.json { serde_json::to_string_pretty(&report)? } else { report::text(&report)? };
    let faults: Vec<String> = report.scenarios.iter().flat_map(Results::faults).collect();
    if !faults.is_empty() {
        writeln!(std::io::stdout(), "{text}")?;
    }
    ensure!(faults.is_empty(), "the measured systems made errors:\n{}", faults.join("\n"));
    Ok(text)
}
