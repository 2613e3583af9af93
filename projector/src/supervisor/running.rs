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
    mode: watch::Sender<TrackMode>,
    /// The description that was recorded last.
    recorded: Option<Description>,
}

/// The description of a track in the lease table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Description {
    pub(super) sends_notifications: bool,
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
        let (mode, mode_receiver) = watch::channel(TrackMode::of(generation));
        let task = self.tasks.spawn(tracker.clone().run(track, TrackConfig { mode_receiver, throttle }));
        self.tracks.insert(track, Runner { task, mode, recorded: None });
    }

    /// Updates the mode of a generation's tracks and the rate limit. Each process gets a share of the limit in
    /// proportion to its tracks.
    pub(super) fn update_mode(&mut self, generation: Generation, streams: usize) {
        let (own, all) = (self.count(generation.number), streams.max(1));
        let portion = |rate: u32| u32::try_from(u64::from(rate) * own as u64 / all as u64).unwrap_or(rate).max(1);
        let throttle = self.throttles.entry(generation.number).or_default();
        throttle.limit(generation.limits.max_rate.map(portion));
        for (_, runner) in self.tracks.iter_mut().filter(|((number, _), _)| *number == generation.number) {
            runner.mode.send_if_modified(|mode| {
                let former = std::mem::replace(mode, TrackMode::of(generation));
                former != *mode
            });
        }
    }

    /// Returns the descriptions that have changed since the last call.
    pub(super) fn changed_descriptions(&mut self, status: &Status) -> Vec<(Track, Description)> {
        let mut changed = Vec::new();
        for (track, runner) in &mut self.tracks {
            let Some(progress) = status.progress(*track) else { continue };
            let description = Description { sends_notifications: runner.mode.borrow().live, progress };
            if runner.recorded.as_ref() != Some(&description) {
                runner.recorded = Some(description.clone());
                changed.push((*track, description));
            }
        }
        changed
    }

    /// Removes and returns the tracks whose task has ended by itself.
    pub(super) fn ended(&mut self) -> Vec<Track> {
        self.take(|_, runner| runner.task.is_finished())
    }

    /// Stops and returns the tracks of generations that are not to be written.
    pub(super) fn stop_others(&mut self, generations: &[Generation]) -> Vec<Track> {
        let is_writable = |number| generations.iter().any(|generation| generation.number == number);
        self.throttles.retain(|number, _| is_writable(*number));
        self.take(|(number, _), _| !is_writable(*number))
    }

    /// Stops and returns the tracks of a generation beyond this process's share.
    pub(super) fn take_surplus(&mut self, generation: i32, share: usize) -> Vec<Track> {
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
        Self { live: generation.serves_reads(), low_priority: generation.limits.low_priority }
    }
}
