//! The progress of a generation: a bar for each stream on a terminal, a line every few seconds elsewhere.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use indicatif::{FormattedDuration, MultiProgress, ProgressBar, ProgressStyle};
use operator_protocol::GenerationReport;
use tokio::time::Instant;

use crate::{console, failure::Failure, rates::Rates};

/// The interval of lines without a terminal.
const INTERVAL: Duration = Duration::from_secs(3);

/// Shows one generation until dropped.
pub(crate) struct Progress {
    json: bool,
    bars: MultiProgress,
    summary: ProgressBar,
    streams: BTreeMap<String, ProgressBar>,
    printed: Option<(Instant, String)>,
}

impl Progress {
    /// Prepares bars on a terminal, and lines or JSON elsewhere.
    pub(crate) fn new(json: bool) -> Self {
        let bars = MultiProgress::new();
        let summary = bars.add(ProgressBar::new_spinner().with_style(style("{msg}")));
        Self { json, bars, summary, streams: BTreeMap::new(), printed: None }
    }

    /// Shows the current progress.
    pub(crate) fn show(&mut self, generation: &GenerationReport, rates: &Rates) -> Result<(), Failure> {
        if self.json || self.bars.is_hidden() {
            return self.print(generation, rates);
        }
        for stream in &generation.streams {
            let bar = self.streams.entry(stream.stream.clone()).or_insert_with(|| {
                let bar = ProgressBar::new(0).with_style(style("{prefix:10} [{bar:30}] {pos:>10} / {len:<10} {msg}"));
                bar.set_prefix(stream.stream.clone());
                self.bars.insert_before(&self.summary, bar)
            });
            bar.set_length(stream.end.unwrap_or(stream.position));
            bar.set_position(stream.position);
            bar.set_message(format!("{:.0} events/s", stream.events_per_second.unwrap_or_default()));
        }
        self.summary.set_message(summary(generation, rates));
        Ok(())
    }

    /// Shows that no projector answers at the moment.
    pub(crate) fn print_error(&mut self, text: &str) {
        if self.json || self.bars.is_hidden() {
            console::print_note(self.json, text);
        } else {
            self.summary.set_message(text.to_owned());
        }
    }

    fn print(&mut self, generation: &GenerationReport, rates: &Rates) -> Result<(), Failure> {
        let phase = generation.phase.clone();
        let is_due = |(at, former): &(Instant, String)| at.elapsed() >= INTERVAL || *former != phase;
        if !self.printed.as_ref().is_none_or(is_due) {
            return Ok(());
        }
        self.printed = Some((Instant::now(), phase));
        if self.json {
            console::line(&serde_json::to_string(generation).map_err(std::io::Error::other)?)
        } else {
            console::line(&summary(generation, rates))
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // The last state stays visible.
        for bar in self.streams.values() {
            bar.abandon();
        }
        self.summary.abandon();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// Describes an unfinished generation in one line.
pub(crate) fn summary(generation: &GenerationReport, rates: &Rates) -> String {
    let GenerationReport { generation: number, phase, paused, failure, .. } = generation;
    let (done, total) = generation.progress();
    let percent = (done * 100).checked_div(total).unwrap_or(100);
    let mut text = format!("generation {number}: {phase}, {percent} % of {total} events");
    if *paused {
        text += ", paused";
    } else if phase == "building"
        && let (Some(rate), Some(left)) = (rates.of(*number), rates.left(generation))
    {
        let _ = write!(text, ", {rate:.0} events/s, {} until the log is read", FormattedDuration(left));
    }
    if let Some(failure) = failure {
        let _ = write!(text, "; blocked: {failure}");
    }
    text
}
