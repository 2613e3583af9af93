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
    notices::Notices,
    projection::News,
    reader::{Mode, ReadError, Reader},
    retries::{self, Retries},
    status::{Progress, Status, Track},
};

/// The first pause after something was away; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often a stopped stream is compared with its log again.
const STOPPED_PAUSE: Duration = Duration::from_secs(5);

/// Why a track begins anew.
const ANOTHER_TRY: &str = "an operator wants parked boxes to be tried again";

/// What a track's task needs.
#[derive(Clone)]
pub(crate) struct Tracker {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notices: Notices,
    pub(crate) retries: Retries,
    pub(crate) status: Status,
}

impl Tracker {
    /// Projects until another projector does. Whether the generation is read by anybody may change meanwhile.
    pub(crate) async fn run(self, track: Track, active: Arc<AtomicBool>) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.status.set(track, Progress::Starting);
            match self.project(track, &active, &mut pause).await {
                Err(ReadError::Overtaken) => {
                    tracing::warn!(generation = track.0, stream.label = %track.1, "another projector took over");
                    return;
                }
                Err(ReadError::Stopped(reason)) => {
                    self.status.set(track, Progress::Stopped(reason));
                    sleep(STOPPED_PAUSE).await;
                }
                Err(ReadError::Away(reason)) => {
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
        let wanted = self.retries.of(track);
        let mut reader = Reader::open(&self.database, Arc::clone(&self.log), generation, stream, Mode::Live).await?;
        let (news, checkpoint) = (reader.retry_parked().await?, reader.checkpoint().clone());
        self.tell(generation, active, &checkpoint, &news);
        if let Some(wanted) = wanted {
            retries::done(&self.database, track, wanted).await?;
        }
        self.status.set(track, Progress::CatchingUp);
        loop {
            self.status.park(track, reader.parked());
            let step = tokio::select! {
                step = reader.step() => step?,
                // What was cut off is rolled back; a new reader begins with the parked boxes.
                () = self.retries.beyond(track, wanted) => return Err(ReadError::Away(ANOTHER_TRY.to_owned())),
            };
            *pause = FIRST_PAUSE;
            self.tell(generation, active, &step.checkpoint, &step.news);
            if step.caught_up {
                self.status.set(track, Progress::Following);
            }
        }
    }

    fn tell(&self, generation: i32, active: &AtomicBool, checkpoint: &Checkpoint, news: &News) {
        if active.load(Ordering::Relaxed) {
            self.notices.tell(generation, checkpoint, news);
        }
    }
}
