//! The task of one stream in one generation: projects for as long as its lease lasts, whatever comes and goes.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_store::Log;
use tokio::time::sleep;

use crate::{
    checkpoint::Checkpoint,
    database::Database,
    metrics::METRICS,
    notices::Notices,
    projection::News,
    reader::{Mode, ReadError, Reader},
    status::{Progress, Status, Track},
    traces::Traces,
};

/// The first pause after something was away; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often a stopped stream is compared with its log again.
const STOPPED_PAUSE: Duration = Duration::from_secs(5);

/// What a track's task needs.
#[derive(Clone)]
pub(crate) struct Tracker {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notices: Notices,
    pub(crate) status: Status,
}

impl Tracker {
    /// Projects until another projector does. Whether the generation is read by anybody may change meanwhile.
    pub(crate) async fn run(self, track: Track, active: Arc<AtomicBool>) {
        METRICS.begins(track);
        let mut pause = FIRST_PAUSE;
        loop {
            self.status.set(track, Progress::Starting);
            match self.project(track, &active, &mut pause).await {
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
                Err(ReadError::Away(reason)) => {
                    METRICS.retried(track, "away");
                    self.status.set(track, Progress::Waiting(reason));
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Ok(never) => match never {},
            }
        }
    }

    async fn project(&self, track: Track, active: &AtomicBool, pause: &mut Duration) -> Result<Infallible, ReadError> {
        let (generation, stream) = track;
        let mut reader = Reader::open(&self.database, Arc::clone(&self.log), generation, stream, Mode::Live).await?;
        let (news, checkpoint) = (reader.retry_parked().await?, reader.checkpoint().clone());
        self.tell(generation, active, &checkpoint, &news, &Traces::default());
        self.status.set(track, Progress::CatchingUp);
        loop {
            let step = reader.step().await?;
            *pause = FIRST_PAUSE;
            METRICS.projected(generation, stream, step.commits, step.took);
            step.traces.note_generation(generation);
            self.tell(generation, active, &step.checkpoint, &step.news, &step.traces);
            if step.caught_up {
                self.status.set(track, Progress::Following);
            }
        }
    }

    fn tell(&self, generation: i32, active: &AtomicBool, checkpoint: &Checkpoint, news: &News, traces: &Traces) {
        if active.load(Ordering::Relaxed) {
            self.notices.tell(generation, checkpoint, news, traces);
        }
    }
}
