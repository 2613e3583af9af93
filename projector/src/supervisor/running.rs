//! The tracks that run in this process, and their tasks.

use std::collections::{BTreeMap, HashMap};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    generation::Generation,
    status::{Progress, Status, Track},
    throttle::Throttle,
    track::{TrackConfig, TrackMode, Tracker},
};

/// The running tracks. All tasks are aborted when this is dropped.
#[derive(Default)]
pub(super) struct Running {
    pub(super) tasks: JoinSet<()>,
    tracks: BTreeMap<Track, Runner>,
    throttles: HashMap<i32, Throttle>,
}

struct Runner {
    task: AbortHandle,
    course: watch::Sender<TrackMode>,
    /// The description that was recorded last.
    told: Option<Description>,
}

/// The description of a track in the lease table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Description {
    pub(super) notices: bool,
    pub(super) progress: Progress,
}

impl Running {
    pub(super) fn has(&self, track: Track) -> bool {
        self.tracks.contains_key(&track)
    }

    /// Returns the number of tracks of a generation that run here.
    pub(super) fn count(&self, generation: i32) -> usize {
        self.tracks.keys().filter(|(number, _)| *number == generation).count()
    }

    /// Starts a track.
    pub(super) fn start(&mut self, tracker: &Tracker, track: Track, generation: Generation) {
        let throttle = self.throttles.entry(track.0).or_default().clone();
        let (course, steered) = watch::channel(TrackMode::of(generation));
        let task = self.tasks.spawn(tracker.clone().run(track, TrackConfig { course: steered, throttle }));
        self.tracks.insert(track, Runner { task, course, told: None });
    }

    /// Updates the mode of a generation's tracks and the rate limit. Each process gets a share of the limit in
    /// proportion to its tracks.
    pub(super) fn steer(&mut self, generation: Generation, streams: usize) {
        let (own, all) = (self.count(generation.number), streams.max(1));
        let portion = |rate: u32| u32::try_from(u64::from(rate) * own as u64 / all as u64).unwrap_or(rate).max(1);
        let throttle = self.throttles.entry(generation.number).or_default();
        throttle.limit(generation.pace.max_rate.map(portion));
        for (_, runner) in self.tracks.iter_mut().filter(|((number, _), _)| *number == generation.number) {
            runner.course.send_if_modified(|course| {
                let former = std::mem::replace(course, TrackMode::of(generation));
                former != *course
            });
        }
    }

    /// Returns the descriptions that have changed since the last call.
    pub(super) fn news(&mut self, status: &Status) -> Vec<(Track, Description)> {
        let mut news = Vec::new();
        for (track, runner) in &mut self.tracks {
            let Some(progress) = status.progress(*track) else { continue };
            let description = Description { notices: runner.course.borrow().live, progress };
            if runner.told.as_ref() != Some(&description) {
                runner.told = Some(description.clone());
                news.push((*track, description));
            }
        }
        news
    }

    /// Removes and returns the tracks whose task has ended by itself.
    pub(super) fn ended(&mut self) -> Vec<Track> {
        self.take(|_, runner| runner.task.is_finished())
    }

    /// Stops and returns the tracks of generations that are not to be written.
    pub(super) fn stop_all_but(&mut self, generations: &[Generation]) -> Vec<Track> {
        let written = |number| generations.iter().any(|generation| generation.number == number);
        self.throttles.retain(|number, _| written(*number));
        self.take(|(number, _), _| !written(*number))
    }

    /// Stops and returns the tracks of a generation beyond this process's share.
    pub(super) fn surplus(&mut self, generation: i32, share: usize) -> Vec<Track> {
        let mut held = 0;
        self.take(|(number, _), _| {
            held += usize::from(*number == generation);
            *number == generation && held > share
        })
    }

    fn take(&mut self, mut which: impl FnMut(&Track, &Runner) -> bool) -> Vec<Track> {
        let taken: Vec<Track> =
            self.tracks.iter().filter(|(track, runner)| which(track, runner)).map(|(track, _)| *track).collect();
        for track in &taken {
            if let Some(runner) = self.tracks.remove(track) {
                runner.task.abort();
            }
        }
        taken
    }
}

impl TrackMode {
    fn of(generation: Generation) -> Self {
        Self { live: generation.is_read(), low_priority: generation.pace.low_priority }
    }
}
