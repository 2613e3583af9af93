//! Rates of streams and estimates of the remaining time, from the observations of the last seconds.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use operator_protocol::{GenerationReport, Report};
use tokio::time::Instant;

/// The age up to which observations count: long enough to smooth batches, short enough to notice a slowdown.
const WINDOW: Duration = Duration::from_secs(15);

/// The minimum time between two steps for a meaningful rate.
const MIN_TIME: Duration = Duration::from_millis(500);

/// Observations of streams, and of generations as a whole.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    streams: HashMap<(i32, String), Observations>,
    generations: HashMap<i32, Observations>,
}

#[derive(Debug, Default)]
struct Observations(VecDeque<(Instant, u64)>);

impl Rates {
    /// Records a report, and adds the known rates and the remaining time to it.
    pub(crate) fn record(&mut self, report: &mut Report, now: Instant) {
        for generation in &mut report.generations {
            let number = generation.generation;
            self.generations.entry(number).or_default().record(now, generation.progress().0);
            for stream in &mut generation.streams {
                let seen = self.streams.entry((number, stream.stream.clone())).or_default();
                seen.record(now, stream.position);
                stream.events_per_second = seen.rate();
            }
            generation.seconds_left = self.left(generation).map(|left| left.as_secs_f64());
        }
    }

    /// Returns the rate of a generation over all streams, in events per second.
    pub(crate) fn of(&self, generation: i32) -> Option<f64> {
        self.generations.get(&generation).and_then(Observations::step_rate)
    }

    /// Estimates the time until everything that is in the log now is projected. All streams share the same machines:
    /// the resources of a finished stream go to the others. But the projectors divide a rate limit: what one of them
    /// does not use is lost to the others.
    pub(crate) fn left(&self, generation: &GenerationReport) -> Option<Duration> {
        let (done, total) = generation.progress();
        let all = time(total - done, self.of(generation.generation)?);
        if generation.max_rate.is_none() {
            return all;
        }
        let mut shares: HashMap<&str, (u64, f64)> = HashMap::new();
        for stream in &generation.streams {
            let (left, rate) = shares.entry(stream.holder.as_deref().unwrap_or_default()).or_default();
            *left += stream.end.unwrap_or_default().saturating_sub(stream.position);
            *rate += stream.events_per_second.unwrap_or_default();
        }
        if shares.len() == 1 {
            return all;
        }
        let slowest = shares.values().filter(|(left, _)| *left > 0).map(|(left, rate)| time(*left, *rate)).max();
        slowest.unwrap_or(all)
    }
}

/// Divides the remaining events by the rate; `None` if they would never be done.
fn time(left: u64, rate: f64) -> Option<Duration> {
    let left = f64::from(u32::try_from(left).ok()?);
    (rate > 0.0).then(|| Duration::try_from_secs_f64(left / rate).ok()).flatten()
}

fn rate_between((from, before): (Instant, u64), (to, after): (Instant, u64)) -> Option<f64> {
    let seconds = to.duration_since(from).as_secs_f64();
    let events = f64::from(u32::try_from(after.saturating_sub(before)).ok()?);
    (seconds > 0.0).then(|| events / seconds)
}

impl Observations {
    fn record(&mut self, now: Instant, position: u64) {
        self.0.push_back((now, position));
        // The last observation before the window stays: it marks the window's beginning.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
    }

    /// Returns the rate over all observations.
    fn rate(&self) -> Option<f64> {
        rate_between(*self.0.front()?, *self.0.back()?)
    }

    /// Returns the rate between full steps, which is more precise, or else the rate over all observations.
    fn step_rate(&self) -> Option<f64> {
        self.between_steps().and_then(|(first, last)| rate_between(first, last)).or_else(|| self.rate())
    }

    /// Returns the first and the last observed step. Progress is made in batches: the idle time before the first step,
    /// or the part of the next step that has passed, would lower the rate. Returns `None` if the stream has stood still
    /// for longer than it moved.
    fn between_steps(&self) -> Option<((Instant, u64), (Instant, u64))> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        let mut steps = pairs.filter(|((_, before), (_, after))| before != after).map(|(_, step)| *step);
        let first = steps.next()?;
        let last = steps.next_back()?;
        let (moving, idle) = (last.0.duration_since(first.0), self.0.back()?.0.duration_since(last.0));
        (moving >= MIN_TIME && idle <= moving).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use operator_protocol::{Goal, State, StreamReport};

    use super::*;

    fn report(positions: [u64; 2], ends: [u64; 2]) -> Report {
        let stream = |index: usize| StreamReport {
            stream: format!("box-{index}"),
            position: positions[index],
            end: Some(ends[index]),
            lag: Some(ends[index] - positions[index]),
            events_per_second: None,
            holder: None,
            progress: String::new(),
            quarantined_boxes: 0,
        };
        let generation = GenerationReport {
            generation: 2,
            model_version: String::new(),
            state: State::Building,
            goal: Goal::Active,
            phase: "building".to_owned(),
            paused: false,
            max_rate: None,
            low_priority: false,
            created_at: DateTime::UNIX_EPOCH,
            activated_at: None,
            verified_at: None,
            verification: None,
            failure: None,
            seconds_left: None,
            streams: vec![stream(0), stream(1)],
        };
        Report { model_version: String::new(), projectors: 1, generations: vec![generation], erasures: vec![] }
    }

    /// Two streams of different lengths share a machine that slows down a little, and move in batches. They stand still
    /// at first.
    #[test]
    fn the_remaining_time_is_estimated_within_a_fifth_after_a_tenth_of_the_work() {
        let ends = [700_000, 300_000];
        let mut history = vec![0_u64; 8];
        while let Some(done) = history.last().copied().filter(|done| *done < 1_000_000) {
            history.push((done + 15_000 - done * 1_500 / 1_000_000).min(1_000_000));
        }
        let (begin, tick) = (Instant::now(), Duration::from_millis(250));
        let mut rates = Rates::default();
        for (index, done) in history.iter().enumerate() {
            let short = (done / 2).min(ends[1]);
            let positions = [(done - short).min(ends[0]) / 5000 * 5000, short / 5000 * 5000];
            let mut seen = report(positions, ends);
            rates.record(&mut seen, begin + tick * u32::try_from(index).unwrap());
            if *done >= 100_000 && *done < 950_000 {
                let truth = (tick * u32::try_from(history.len() - 1 - index).unwrap()).as_secs_f64();
                let estimate = rates.left(&seen.generations[0]).unwrap().as_secs_f64();
                assert!((estimate - truth).abs() <= truth * 0.2, "at {done}: {estimate} instead of {truth}");
            }
        }
    }

    /// Two projectors have half of a rate limit each, and one of them has almost nothing to do.
    #[test]
    fn the_unused_rate_of_one_projector_is_not_given_to_another() {
        let (begin, mut rates) = (Instant::now(), Rates::default());
        for second in 0..=10 {
            let mut seen = report([second * 100, second * 100], [10_000, 1_100]);
            seen.generations[0].max_rate = Some(200);
            for (stream, holder) in seen.generations[0].streams.iter_mut().zip(["one", "other"]) {
                stream.holder = Some(holder.to_owned());
            }
            rates.record(&mut seen, begin + Duration::from_secs(second));
            if second > 1 {
                let left = rates.left(&seen.generations[0]).unwrap().as_secs();
                assert_eq!(left, 100 - second, "the other one is done long before");
            }
        }
    }

    #[test]
    fn a_single_report_yields_no_rate() {
        let (mut rates, mut seen) = (Rates::default(), report([5, 5], [10, 10]));
        rates.record(&mut seen, Instant::now());
        assert_eq!((rates.of(2), rates.left(&seen.generations[0])), (None, None));
    }
}
