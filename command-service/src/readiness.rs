//! Readiness by partition: a failure that stops all commands makes the process unready, others are only reported.

use event_store::TailState;
use storage::{Space, SpaceLimit};
use wire::StreamName;

use crate::app::App;

/// The streams that reject commands, grouped by the effect on the process.
#[derive(Debug, Default, PartialEq, Eq)]
struct Failures {
    /// Streams that are being read for the first time or after an interruption. This passes soon.
    behind: Vec<String>,
    /// Streams that fail until an operator repairs them.
    broken: Vec<(StreamName, String)>,
}

/// Fails while a stream is catching up, while users cannot be written, and while no partition of boxes works.
///
/// A broken partition is broken for every command-service: if it made them unready, none would serve the others.
pub(crate) fn required(app: &App, space: &Space) -> Result<(), String> {
    let tails = app.tails();
    let boxes = tails.iter().filter(|(stream, _)| matches!(stream, StreamName::Box(_))).count();
    Failures::of(&tails, space).required(boxes)
}

/// Fails with each stream that rejects commands and each bucket without space, and the reason.
pub(crate) fn partitions(app: &App, space: &Space) -> Result<(), String> {
    let failures = Failures::of(&app.tails(), space);
    let others = [StreamName::Mark, StreamName::Timer].into_iter();
    let others = others.filter_map(|stream| Some((stream.label(), space.limit_of(&stream.on_server())?)));
    let others =
        others.chain(space.buckets()).map(|(name, space_limit): (String, SpaceLimit)| format!("{name}: {space_limit}"));
    failed(failures.broken().chain(others))
}

impl Failures {
    fn of(tails: &[(StreamName, TailState)], space: &Space) -> Self {
        let mut failures = Self::default();
        for (stream, tail) in tails {
            let space_limit = space.limit_of(&stream.on_server()).map(|space_limit| space_limit.to_string());
            let damage = tail.damage.as_ref().map(ToString::to_string);
            match damage.or_else(|| tail.last_error.clone()).or(space_limit) {
                Some(reason) => failures.broken.push((*stream, reason)),
                None if tail.caught_up => {}
                None => failures.behind.push(format!("{stream}: has read up to {}", tail.sequence)),
            }
        }
        failures
    }

    fn broken(&self) -> impl Iterator<Item = String> {
        self.broken.iter().map(|(stream, reason)| format!("{stream}: {reason}"))
    }

    fn required(&self, boxes: usize) -> Result<(), String> {
        let no_users = self.broken.iter().any(|(stream, _)| *stream == StreamName::User);
        let broken_boxes = self.broken.iter().filter(|(stream, _)| matches!(stream, StreamName::Box(_))).count();
        let behind = self.behind.iter().cloned();
        if no_users || broken_boxes == boxes {
            return failed(self.broken().chain(behind));
        }
        failed(behind)
    }
}

fn failed(reasons: impl Iterator<Item = String>) -> Result<(), String> {
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
}

#[cfg(test)]
mod tests {
    use event_store::Damage;

    use super::*;

    fn well() -> Vec<(StreamName, TailState)> {
        let tail = TailState { caught_up: true, ..TailState::default() };
        [StreamName::User, StreamName::Store, StreamName::Box(0), StreamName::Box(1)]
            .map(|stream| (stream, tail.clone()))
            .to_vec()
    }

    fn damaged(streams: &[StreamName]) -> Failures {
        let mut tails = well();
        for (stream, tail) in tails.iter_mut().filter(|(stream, _)| streams.contains(stream)) {
            *tail = TailState { damage: Some(Damage::Hole { stream: *stream, expected: 7 }), ..TailState::default() };
        }
        Failures::of(&tails, &Space::default())
    }

    #[test]
    fn a_damaged_partition_is_named_and_the_process_stays_ready() {
        let failures = damaged(&[StreamName::Box(1)]);
        assert_eq!(failures.required(2), Ok(()));
        assert_eq!(failures.broken().collect::<Vec<_>>(), ["box-1: box-1 has a hole: sequence 7 is missing"]);
        assert_eq!(damaged(&[]).required(2), Ok(()));
    }

    #[test]
    fn the_process_is_not_ready_without_the_users_or_any_box_partition() {
        for streams in [vec![StreamName::User], vec![StreamName::Box(0), StreamName::Box(1)]] {
            let reason = damaged(&streams).required(2).unwrap_err();
            for stream in streams {
                assert!(reason.contains(&format!("{stream} has a hole")), "{reason}");
            }
        }
    }

    #[test]
    fn a_partition_that_is_catching_up_delays_readiness() {
        let mut tails = well();
        tails[3].1.caught_up = false;
        let failures = Failures::of(&tails, &Space::default());
        assert_eq!(failures.required(2), Err("box-1: has read up to 0".to_owned()));
    }
}
