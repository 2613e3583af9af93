//! The tracks that run in this process, and the tasks behind them.

use std::collections::{BTreeMap, HashMap};

use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    generation::Generation,
    status::{Progress, Status, Track},
    throttle::Throttle,
    track::{Course, Orders, Tracker},
};

/// All of them end with this value.
#[derive(Default)]
pub(super) struct Running {
    pub(super) tasks: JoinSet<()>,
    tracks: BTreeMap<Track, Runner>,
    throttles: HashMap<i32, Throttle>,
}

struct Runner {
    task: AbortHandle,
    course: watch::Sender<Course>,
    /// What others were told last.
    told: Option<Description>,
}

/// How it stands with a track, for others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Description {
    pub(super) notices: bool,
    pub(super) progress: Progress,
}

impl Running {
    pub(super) fn has(&self, track: Track) -> bool {
        self.tracks.contains_key(&track)
    }

    /// How many tracks of a generation run here.
    pub(super) fn count(&self, generation: i32) -> usize {
        self.tracks.keys().filter(|(number, _)| *number == generation).count()
    }

    /// Begins with a track.
    pub(super) fn start(&mut self, tracker: &Tracker, track: Track, generation: Generation) {
        let throttle = self.throttles.entry(track.0).or_default().clone();
        let (course, steered) = watch::channel(Course::of(generation));
        let task = self.tasks.spawn(tracker.clone().run(track, Orders { course: steered, throttle }));
        self.tracks.insert(track, Runner { task, course, told: None });
    }

    /// Tells the tracks of a generation how to go on. Each process gets the share of its tracks of what is allowed.
    pub(super) fn steer(&mut self, generation: Generation, streams: usize) {
        let (own, all) = (self.count(generation.number), streams.max(1));
        let portion = |rate: u32| u32::try_from(u64::from(rate) * own as u64 / all as u64).unwrap_or(rate).max(1);
        let throttle = self.throttles.entry(generation.number).or_default();
        throttle.limit(generation.pace.max_rate.map(portion));
        for (_, runner) in self.tracks.iter_mut().filter(|((number, _), _)| *number == generation.number) {
            runner.course.send_if_modified(|course| {
                let former = std::mem::replace(course, Course::of(generation));
                former != *course
            });
        }
    }

    /// What others should be told that they were not told yet.
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

    /// Tracks whose task has ended by itself.
    pub(super) fn ended(&mut self) -> Vec<Track> {
        self.take(|_, runner| runner.task.is_finished())
    }

    /// Stops what belongs to no generation that is written.
    pub(super) fn stop_all_but(&mut self, generations: &[Generation]) -> Vec<Track> {
        let written = |number| generations.iter().any(|generation| generation.number == number);
        self.throttles.retain(|number, _| written(*number));
        self.take(|(number, _), _| !written(*number))
    }

    /// Stops tracks of a generation that are more than its share.
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

impl Course {
    fn of(generation: Generation) -> Self {
        Self { live: generation.is_read(), low_priority: generation.pace.low_priority }
    }
}
