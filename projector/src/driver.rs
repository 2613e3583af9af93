//! Drives generations to their goal: caught up, indexed, ready, compared, active. One projector drives at a time. Its
//! whole state is in the control tables, so that the next driver continues after a crash.

mod comparison;

use std::{convert::Infallible, sync::Arc, time::Duration};

use event_store::Log;
use operator_protocol::{Goal, State};
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use crate::{
    control_changes::ControlChanges,
    database::Database,
    generation::{
        self, ChangeError, Positions,
        driven::{self, UnfinishedGeneration},
    },
    leader_lock,
    notifications::Notifier,
};

/// The pause between two rounds while generations are unfinished.
const TICK: Duration = Duration::from_millis(250);

/// Lifetime of a mark. Under load a growing generation is always a few batches behind, so it might never reach a mark
/// that is renewed in every round.
const MARK_LIFETIME: Duration = Duration::from_secs(2);

/// The time at which the log's ends were read, and the ends.
type Mark = (Instant, Positions);

/// The driver. It runs in every projector, and all but one wait for the lock.
pub(crate) struct Driver {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notifier: Notifier,
    pub(crate) partitions: u16,
    pub(crate) changes: ControlChanges,
}

impl Driver {
    /// Drives until dropped.
    pub(crate) async fn run(self) -> Infallible {
        loop {
            let Err(error) = self.wait_and_drive().await;
            tracing::debug!(%error, "cannot drive generations now");
            sleep(TICK).await;
        }
    }

    /// Acquires the driver lock, and drives for as long as the lock's connection lasts.
    async fn wait_and_drive(&self) -> Result<Infallible, ChangeError> {
        let mut lock = self.database.leader_lock().await?;
        leader_lock::acquire("driver", &mut lock).await?;
        let work = async {
            let mut control = self.database.control().await?;
            let (mut mark, mut changes) = (None, self.changes.clone());
            loop {
                if self.advance_all(&mut control, &mut mark).await? {
                    sleep(TICK).await;
                } else {
                    changes.wait().await;
                }
            }
        };
        tokio::select! {
            result = work => result,
            error = leader_lock::hold(&mut lock) => Err(error.into()),
        }
    }

    /// Advances every unfinished generation by one step. Returns false if nothing is left to do.
    async fn advance_all(&self, control: &mut PgConnection, mark: &mut Option<Mark>) -> Result<bool, ChangeError> {
        let (generations, retired) = driven::unfinished(control).await?;
        if retired && let Err(error) = generation::sweep(control).await {
            tracing::warn!(%error, "a retired generation cannot be dropped yet");
        }
        if generations.is_empty() {
            *mark = None;
            // The tables of a retired generation are dropped when no query-service reads them any more.
            return Ok(retired);
        }
        for generation in &generations {
            if let Err(error) = self.advance(control, generation, mark.as_ref()).await {
                tracing::warn!(generation = generation.number, %error, "cannot advance a generation");
                driven::set_failure(control, generation.number, &error.to_string()).await?;
            }
        }
        if mark.as_ref().is_none_or(|(taken_at, _)| taken_at.elapsed() > MARK_LIFETIME) {
            *mark = Some((Instant::now(), Positions::ends(self.log.as_ref(), self.partitions).await?));
        }
        Ok(true)
    }

    /// Takes the next step of one generation.
    async fn advance(
        &self,
        control: &mut PgConnection,
        generation: &UnfinishedGeneration,
        mark: Option<&Mark>,
    ) -> Result<(), ChangeError> {
        let number = generation.number;
        match generation.state {
            State::Building if generation.phase == "indexing" => {
                generation::add_indexes(&self.database, number).await?;
                driven::set_phase(control, number, "catching up").await?;
            }
            // Compares with the end of the log a moment ago: the log grows during the round.
            State::Building => {
                let reached = Positions::of(control, number).await?;
                if mark.is_none_or(|(_, ends)| reached.missing(ends).is_some()) {
                    return Ok(());
                }
                if generation.indexed {
                    driven::mark_ready(control, number).await?;
                    tracing::info!(generation = number, "a generation is ready");
                } else {
                    driven::set_phase(control, number, "indexing").await?;
                }
            }
            State::Ready if generation.goal > Goal::Ready => self.finish(control, generation).await?,
            State::Ready | State::Active | State::Standby | State::Retired => {}
        }
        Ok(())
    }

    async fn finish(&self, control: &mut PgConnection, generation: &UnfinishedGeneration) -> Result<(), ChangeError> {
        let number = generation.number;
        let mut connection = self.database.generation(number).await?;
        // The query-services will switch to this generation's notifications.
        if !driven::sends_notifications(&mut connection, number).await? {
            return Ok(());
        }
        if !generation.compared {
            driven::set_phase(control, number, "verifying").await?;
            let comparison = self.compare(control, number).await?;
            driven::set_verification(control, number, &comparison).await?;
        } else if generation.goal == Goal::Active && !generation.doubtful {
            driven::set_phase(control, number, "activating").await?;
            let switched = generation::activate(&self.database, Some(number), true).await?;
            self.notifier.notify_activated(switched.generation);
        }
        Ok(())
    }
}
