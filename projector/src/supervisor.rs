//! Which tracks this process runs: those whose leases it holds, for as long as it holds them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_store::{LogError, ProvisionError, StreamName, streams, verify};
use sqlx::migrate::MigrateError;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    generation::{self, Generation, Origin},
    lease::Leases,
    status::{Progress, Track},
    track::Tracker,
};

/// How often leases are renewed and sought; with the three seconds after which a silent holder loses them, another one
/// goes on within five.
const BEAT: Duration = Duration::from_millis(500);

/// The pause after the database or the log was away.
const PAUSE: Duration = Duration::from_millis(300);

/// Runs the tracks of every generation that this build writes.
pub(crate) struct Supervisor {
    pub(crate) tracker: Tracker,
    pub(crate) partitions: u16,
}

/// Not to be healed by waiting: the process must not run like this.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Boxes would be projected into the wrong streams' order.
    #[error(transparent)]
    Log(ProvisionError),
    /// A migration was changed, or is newer than this build.
    #[error("the control tables cannot be migrated")]
    Migration(#[from] MigrateError),
}

/// What has to come back.
enum Away {
    Database(sqlx::Error),
    Log(LogError),
}

/// The tracks that are running, and the tasks behind them.
#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    tracks: BTreeMap<Track, Runner>,
}

struct Runner {
    task: AbortHandle,
    active: Arc<AtomicBool>,
}

impl Supervisor {
    /// Prepares database and generation, then runs tracks; again and again, until it is dropped. Each time from the
    /// start: a database that comes back may have been emptied, and the log holds all that it needs.
    pub(crate) async fn run(self) -> Result<Infallible, StartError> {
        loop {
            let away = match self.prepare().await? {
                Ok(()) => match self.hold_leases().await {
                    Ok(never) => match never {},
                    Err(error) => Away::Database(error),
                },
                Err(away) => away,
            };
            match away {
                Away::Database(error) => self.tracker.status.database(Err(format!("the database is away: {error}"))),
                Away::Log(error) => self.tracker.status.log(Err(format!("the log is away: {error}"))),
            }
            sleep(PAUSE).await;
        }
    }

    /// The inner error passes.
    async fn prepare(&self) -> Result<Result<(), Away>, StartError> {
        let Tracker { database, log, .. } = &self.tracker;
        match generation::migrate(database).await {
            Ok(()) => {}
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                return Ok(Err(Away::Database(error)));
            }
            Err(error) => return Err(error.into()),
        }
        match verify(log.as_ref(), self.partitions).await {
            Ok(()) => {}
            Err(ProvisionError::Log(error)) => return Ok(Err(Away::Log(error))),
            Err(error) => return Err(StartError::Log(error)),
        }
        let mut origins = Vec::new();
        for stream in streams(self.partitions) {
            match log.state(stream).await {
                Ok(state) => origins.push(Origin { stream, incarnation: state.incarnation }),
                Err(error) => return Ok(Err(Away::Log(error))),
            }
        }
        self.tracker.status.log(Ok(()));
        Ok(generation::ensure(database, &origins).await.map_err(Away::Database))
    }

    /// Runs tracks for as long as the leases' connection lasts.
    async fn hold_leases(&self) -> Result<Infallible, sqlx::Error> {
        let mut leases = Leases::open(&self.tracker.database).await?;
        // Dropped with this function: without leases there are no tasks.
        let mut running = Running::default();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                Some(_) = running.tasks.join_next() => {}
            }
            for track in running.ended() {
                leases.give_back(track).await?;
                self.tracker.status.set(track, Progress::Standby);
            }
            let generations = leases.generations().await?;
            self.tracker.status.database(Ok(()));
            for track in running.stop_all_but(&generations) {
                leases.give_back(track).await?;
                self.tracker.status.forget(track);
            }
            self.seek(&mut leases, &mut running, &generations).await?;
        }
    }

    async fn seek(
        &self,
        leases: &mut Leases,
        running: &mut Running,
        generations: &[Generation],
    ) -> Result<(), sqlx::Error> {
        for generation in generations {
            for stream in streams(self.partitions) {
                let track: Track = (generation.number, stream);
                if let Some(runner) = running.tracks.get(&track) {
                    runner.active.store(generation.active, Ordering::Relaxed);
                } else if leases.take(track).await? {
                    self.start(running, track, generation.active);
                } else {
                    self.tracker.status.set(track, Progress::Standby);
                }
            }
        }
        Ok(())
    }

    fn start(&self, running: &mut Running, track: Track, active: bool) {
        let active = Arc::new(AtomicBool::new(active));
        let task = running.tasks.spawn(self.tracker.clone().run(track, Arc::clone(&active)));
        running.tracks.insert(track, Runner { task, active });
    }
}

impl Running {
    /// Tracks whose task has ended by itself.
    fn ended(&mut self) -> Vec<Track> {
        self.take(|_, runner| runner.task.is_finished())
    }

    fn stop_all_but(&mut self, generations: &[Generation]) -> Vec<Track> {
        let written = |number| generations.iter().any(|generation| generation.number == number);
        self.take(|(number, _), _| !written(*number))
    }

    fn take(&mut self, which: impl Fn(&(i32, StreamName), &Runner) -> bool) -> Vec<Track> {
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
