//! Runs the tracks whose leases this process holds, for as long as it holds them.

mod running;

use std::{convert::Infallible, time::Duration};

use event_store::{LogError, VerifyError, verify};
use sqlx::migrate::MigrateError;
use supervision::ticks::next_tick;
use tokio::time::{Instant, sleep, sleep_until};
use wire::streams;

use self::running::Running;
use crate::{
    control_changes::ControlChanges,
    generation::{self, Generation, Origin},
    lease::Leases,
    status::{Progress, Track},
    track::Tracker,
};

/// The interval at which leases are renewed, and acquired while others hold some. A silent holder loses its leases
/// after three seconds, so another projector takes over within five.
const RENEW_INTERVAL: Duration = Duration::from_millis(500);

/// The longest time between two looks at the generations and projectors while this process holds all leases.
const ASSIGN_INTERVAL: Duration = Duration::from_mins(2);

/// The interval at which the leases' connection is used while this process holds all leases.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// The pause after a failure of the database or the log.
const PAUSE: Duration = Duration::from_millis(300);

/// Runs the tracks of every generation that this build writes.
pub(crate) struct Supervisor {
    pub(crate) tracker: Tracker,
    pub(crate) partitions: u16,
    pub(crate) changes: ControlChanges,
}

/// An error that waiting does not resolve: the process must not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The log's streams differ from the settings: boxes would be projected in the wrong order.
    #[error(transparent)]
    Log(VerifyError),
    /// A migration was changed, or is newer than this build.
    #[error("the control tables cannot be migrated")]
    Migration(#[from] MigrateError),
}

/// The server that is unavailable.
enum Unavailable {
    Database(sqlx::Error),
    Log(LogError),
}

impl Supervisor {
    /// Prepares database and generation, then runs tracks, in a loop until dropped. Each round starts over: a database
    /// that returns may have been emptied, and the log holds all that it needs.
    pub(crate) async fn run(self) -> Result<Infallible, StartError> {
        loop {
            let away = match self.prepare().await? {
                Ok(()) => match self.hold_leases().await {
                    Ok(never) => match never {},
                    Err(error) => Unavailable::Database(error),
                },
                Err(away) => away,
            };
            match away {
                Unavailable::Database(error) => {
                    self.tracker.status.database(Err(format!("the database is down: {error}")));
                }
                Unavailable::Log(error) => self.tracker.status.log(Err(format!("the log is down: {error}"))),
            }
            sleep(PAUSE).await;
        }
    }

    /// Migrates and checks the servers. The inner error is temporary.
    async fn prepare(&self) -> Result<Result<(), Unavailable>, StartError> {
        let Tracker { database, log, .. } = &self.tracker;
        match generation::migrate(database).await {
            Ok(()) => {}
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                return Ok(Err(Unavailable::Database(error)));
            }
            Err(error) => return Err(error.into()),
        }
        match verify(log.as_ref(), self.partitions).await {
            Ok(()) => {}
            Err(VerifyError::Log(error)) => return Ok(Err(Unavailable::Log(error))),
            Err(error) => return Err(StartError::Log(error)),
        }
        let origins = match Origin::of_all(log.as_ref(), self.partitions).await {
            Ok(origins) => origins,
            Err(error) => return Ok(Err(Unavailable::Log(error))),
        };
        self.tracker.status.log(Ok(()));
        Ok(generation::ensure(database, &origins).await.map_err(Unavailable::Database))
    }

    /// Runs tracks for as long as the leases' connection lasts.
    async fn hold_leases(&self) -> Result<Infallible, sqlx::Error> {
        let mut leases = Leases::open(&self.tracker.database).await?;
        // Dropped with this function: without leases no task runs.
        let mut running = Running::default();
        let mut changes = self.changes.clone();
        // Set while this process holds all leases and nothing has changed since they were assigned.
        let mut settled_until: Option<Instant> = None;
        let mut next_renewal = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(next_renewal) => {}
                Some(_) = running.tasks.join_next() => settled_until = None,
                () = changes.changed() => settled_until = None,
            }
            for track in running.ended() {
                leases.release(track).await?;
                self.tracker.status.set(track, Progress::Standby);
            }
            if settled_until.is_some_and(|until| Instant::now() < until) {
                leases.keep_alive().await?;
            } else {
                let is_settled = self.assign(&mut leases, &mut running).await?;
                settled_until = is_settled.then(|| Instant::now() + ASSIGN_INTERVAL);
            }
            next_renewal = next_tick(if settled_until.is_some() { KEEPALIVE_INTERVAL } else { RENEW_INTERVAL });
            for (track, description) in running.changed_descriptions(&self.tracker.status) {
                leases.describe(track, description.sends_notifications, &description.progress).await?;
            }
        }
    }

    /// Holds this projector's share of all generations to write. Returns true if these are all leases.
    async fn assign(&self, leases: &mut Leases, running: &mut Running) -> Result<bool, sqlx::Error> {
        let (generations, projectors) = leases.generations().await?;
        self.tracker.status.database(Ok(()));
        for track in running.stop_others(&generations) {
            leases.release(track).await?;
            self.tracker.status.remove(track);
        }
        for generation in &generations {
            self.hold_share(leases, running, *generation, projectors).await?;
        }
        let all = streams(self.partitions).len();
        Ok(generations.iter().all(|generation| running.count(generation.number) == all))
    }

    /// Holds this projector's share of a generation's streams and releases any surplus.
    async fn hold_share(
        &self,
        leases: &mut Leases,
        running: &mut Running,
        generation: Generation,
        projectors: usize,
    ) -> Result<(), sqlx::Error> {
        let all = streams(self.partitions);
        let share = all.len().div_ceil(projectors);
        for track in running.take_surplus(generation.number, share) {
            leases.release(track).await?;
            self.tracker.status.set(track, Progress::Standby);
        }
        running.update_mode(generation, all.len());
        // Projectors begin with different streams to avoid contention for the same leases.
        let first = usize::try_from(std::process::id()).unwrap_or_default();
        for index in 0..all.len() {
            let track: Track = (generation.number, all[(first + index) % all.len()]);
            if running.has(track) {
                continue;
            }
            if running.count(generation.number) < share && leases.acquire(track).await? {
                running.start(&self.tracker, track, generation);
            } else {
                self.tracker.status.set(track, Progress::Standby);
            }
        }
        running.update_mode(generation, all.len());
        Ok(())
    }
}
