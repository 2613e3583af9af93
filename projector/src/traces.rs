//! Continues the traces of commands: one span per traced commit, from reading it until its rows are written and
//! notifications are sent.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use service_kit::{clock, trace};
use tracing::Span;
use wire::StreamName;

use crate::commit::Commit;

/// The maximum age of a traced commit. An older one is being projected again, or so late that its trace is closed.
const MAX_AGE: TimeDelta = TimeDelta::minutes(1);

/// The spans of the traced commits of one transaction, by sequence. They end when this is dropped.
#[derive(Debug, Default)]
pub struct Traces(BTreeMap<u64, Span>);

impl Traces {
    /// Begins a span for each commit that is traced.
    pub(crate) fn begin(stream: StreamName, commits: &[Commit]) -> Self {
        if !trace::is_on() {
            return Self::default();
        }
        let oldest = clock::now() - MAX_AGE;
        let traced = commits.iter().filter(|commit| commit.at >= oldest).filter_map(|commit| {
            let span = || {
                tracing::info_span!(
                    target: trace::TARGET,
                    parent: None,
                    "project",
                    otel.kind = "consumer",
                    generation = tracing::field::Empty,
                    stream.label = %stream,
                    stream.position = commit.sequence,
                    batch.commits = commits.len(),
                )
            };
            let span = trace::child_spans(commit.traceparent.as_deref().into_iter(), span).pop()?;
            Some((commit.sequence, span))
        });
        Self(traced.collect())
    }

    /// Records the generation in all spans.
    pub(crate) fn record_generation(&self, generation: i32) {
        for span in self.0.values() {
            span.record("generation", generation);
        }
    }

    /// Returns the trace context of the commit at a position, if it is traced.
    pub(crate) fn of(&self, position: u64) -> Option<String> {
        trace::traceparent_of(self.0.get(&position)?)
    }
}
