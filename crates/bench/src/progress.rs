//! A progress bar on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of all scenarios.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows the progress over a number of scenarios. Without a terminal nothing is shown.
    pub(crate) fn new(scenarios: usize) -> Self {
        let bar = ProgressBar::new(scenarios as u64);
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:20} {pos}/{len} {msg}");
        // The template is constant and valid.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar }
    }

    /// Shows the current step.
    pub(crate) fn stage(&self, step: &str) {
        self.bar.set_message(step.to_owned());
    }

    /// Prints a line above the bar.
    pub(crate) fn note(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Counts a scenario as done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
