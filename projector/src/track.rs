//! The task of one stream in one generation: projects for as long as its lease lasts, whatever comes and goes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use event_store::Log;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    checkpoint::Checkpoint,
    database::Database,
    notices::Notices,
    pacing::{Allowance, Throttle},
    projection::News,
    reader::{ReadError, Reader},
    status::{Progress, Status, Track},
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

/// How a track is to be worked on; may change meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Course {
    /// Whether somebody may be reading the generation.
    pub(crate) notices: bool,
    /// How fast it may go while nobody does.
    pub(crate) allowance: Allowance,
}

/// The supervisor's word to a track.
pub(crate) struct Orders {
    pub(crate) course: watch::Receiver<Course>,
    pub(crate) throttle: Arc<Throttle>,
}

impl Tracker {
    /// Projects until another projector does.
    pub(crate) async fn run(self, track: Track, orders: Orders) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.status.set(track, Progress::Starting);
            match self.project(track, &orders, &mut pause).await {
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

    async fn project(&self, track: Track, orders: &Orders, pause: &mut Duration) -> Result<Infallible, ReadError> {
        let (generation, stream) = track;
        let mut reader = Reader::open(&self.database, Arc::clone(&self.log), generation, stream).await?;
        let (news, checkpoint) = (reader.retry_parked().await?, reader.checkpoint().clone());
        self.tell(generation, orders, &checkpoint, &news);
        self.status.set(track, Progress::CatchingUp);
        loop {
            let (before, begin) = (reader.checkpoint().position, Instant::now());
            reader.take_at_most(orders.course.borrow().allowance.batch());
            let step = reader.step().await?;
            *pause = FIRST_PAUSE;
            self.tell(generation, orders, &step.checkpoint, &step.news);
            if step.caught_up {
                self.status.set(track, Progress::Following);
            }
            let allowance = orders.course.borrow().allowance;
            orders.throttle.pay(step.checkpoint.position - before, begin.elapsed(), allowance).await;
        }
    }

    fn tell(&self, generation: i32, orders: &Orders, checkpoint: &Checkpoint, news: &News) {
        if orders.course.borrow().notices {
            self.notices.tell(generation, checkpoint, news);
        }
    }
}
