//! The task of one stream in one generation. It projects until its lease is lost, and survives failures of the servers.

use std::{sync::Arc, time::Duration};

use event_store::Log;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    checkpoint::Checkpoint,
    database::Database,
    metrics::METRICS,
    notifications::Notifier,
    projection::Changes,
    read_error::ReadError,
    reader::{Mode, Reader},
    retries::{self, Retries},
    status::{Progress, Status, Track},
    throttle::{self, Throttle},
    traces::Traces,
};

/// The first pause after a failure of the database or the log; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The interval at which a stopped stream is compared with its log again.
const STOPPED_PAUSE: Duration = Duration::from_secs(5);

/// The reason for which a track restarts.
const RETRY_REQUESTED: &str = "an operator requested a retry of quarantined boxes";

/// The dependencies of a track's task.
#[derive(Clone)]
pub(crate) struct Tracker {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notifier: Notifier,
    pub(crate) retries: Retries,
    pub(crate) status: Status,
}

/// The way in which a track is projected; may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TrackMode {
    /// True if clients may read the generation.
    pub(crate) live: bool,
    /// True if building leaves most of the time to the generations that serve reads.
    pub(crate) low_priority: bool,
}

/// The supervisor's settings of a track.
pub(crate) struct TrackConfig {
    pub(crate) mode_receiver: watch::Receiver<TrackMode>,
    pub(crate) throttle: Throttle,
}

impl Tracker {
    /// Projects until another projector takes over.
    pub(crate) async fn run(self, track: Track, config: TrackConfig) {
        METRICS.init_retries(track);
        let mut pause = FIRST_PAUSE;
        loop {
            self.status.set(track, Progress::Starting);
            match self.project_track(track, &config, &mut pause).await {
                Err(ReadError::Overtaken) => {
                    METRICS.retried(track, "overtaken");
                    tracing::warn!(generation = track.0, stream.label = %track.1, "another projector took over");
                    return;
                }
                Err(ReadError::Stopped(reason)) => {
                    METRICS.retried(track, "stopped");
                    self.status.set(track, Progress::Stopped(reason));
                    sleep(STOPPED_PAUSE).await;
                }
                Err(ReadError::Unavailable(reason)) => {
                    METRICS.retried(track, "away");
                    self.status.set(track, Progress::Waiting(reason));
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Ok(()) => {}
            }
        }
    }

    /// Projects until the mode of the generation changes, or fails.
    async fn project_track(&self, track: Track, config: &TrackConfig, pause: &mut Duration) -> Result<(), ReadError> {
        let (generation, stream) = track;
        let mut mode_receiver = config.mode_receiver.clone();
        let TrackMode { live, low_priority } = *mode_receiver.borrow_and_update();
        let mode = if live { Mode::Live } else { Mode::Building(config.throttle.clone()) };
        let wanted = self.retries.of(track);
        let mut reader = Reader::open(&self.database, Arc::clone(&self.log), generation, stream, mode).await?;
        let (changes, checkpoint) = (reader.retry_quarantined().await?, reader.checkpoint().clone());
        self.notify(generation, live, &checkpoint, &changes, &Traces::default());
        if let Some(wanted) = wanted {
            retries::mark_done(&self.database, track, wanted).await?;
        }
        self.status.set(track, Progress::CatchingUp);
        loop {
            self.status.set_quarantined(track, reader.quarantined());
            let begin = Instant::now();
            let step = tokio::select! {
                step = reader.step() => step?,
                // A transaction that is cut off is rolled back and read again; a new reader begins with the quarantined
                // boxes.
                () = wait_until_live(&mut mode_receiver), if !live => return Ok(()),
                () = self.retries.wait_for_later(track, wanted) => {
                    return Err(ReadError::Unavailable(RETRY_REQUESTED.to_owned()));
                }
            };
            *pause = FIRST_PAUSE;
            METRICS.projected(generation, stream, step.commits, step.duration);
            step.traces.record_generation(generation);
            self.notify(generation, live, &step.checkpoint, &step.changes, &step.traces);
            if step.caught_up {
                self.status.set(track, Progress::Following);
            } else if low_priority && !live {
                throttle::rest(begin.elapsed()).await;
            }
        }
    }

    fn notify(&self, generation: i32, live: bool, checkpoint: &Checkpoint, changes: &Changes, traces: &Traces) {
        if live {
            self.notifier.notify(generation, checkpoint, changes, traces);
        }
    }
}

async fn wait_until_live(mode_receiver: &mut watch::Receiver<TrackMode>) {
    if mode_receiver.wait_for(|mode| mode.live).await.is_err() {
        // The supervisor has ended: this task is about to end as well.
        std::future::pending::<()>().await;
    }
}
