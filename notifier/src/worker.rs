//! Tells the alarms of one stream and sends its webhooks, in the one notifier that holds its lock.

use std::{convert::Infallible, sync::Arc, time::Duration};

use event_store::LogError;
use futures::{StreamExt, TryStreamExt, stream};
use storage::BucketError;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use wire::StreamName;

use crate::{
    app::App,
    cursor::{Cursor, Planned},
    database::Generation,
    delivery::Delivery,
    gate::RESERVED_WAIT,
    metrics::METRICS,
    plan::{self, Planning, plan},
    presence,
    pushes::{self, rooms},
    status::Status,
    tell::{due, postpone, tell},
    webhooks::{sender::Sender, worker::WebhookWorker},
};

/// The time for which announcements are collected, so that a busy stream is planned a few times a second.
const COLLECT: Duration = Duration::from_millis(250);

/// The time for which ends of attempts are collected.
const COLLECT_ENDED: Duration = Duration::from_millis(20);

/// The time in which a notifier that has lost a stream records the result of an attempt that has ended.
const RECORDING_TIME: Duration = Duration::from_secs(2);

/// The longest time between two looks, in case that an announcement was lost.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// The number of groups that are told in one round, and at a time.
const GROUPS: i64 = 128;
const CONCURRENCY: usize = 2;

/// The interval at which old rows are removed.
const CLEANUP_INTERVAL: Duration = Duration::from_hours(1);

/// The pause after an error.
const RETRY: Duration = Duration::from_secs(1);

/// The worker for the push messages of one stream.
struct Worker {
    app: App,
    name: StreamName,
    /// The label of the stream.
    stream: String,
}

/// Works until dropped. Push messages and webhooks do not wait for each other.
pub(crate) async fn run(app: App, stream: String) -> Infallible {
    // The labels are made of names of streams.
    let Ok(name) = stream.parse() else { return std::future::pending().await };
    let changes = app.webhook_changes.subscribe();
    let webhooks = WebhookWorker { sender: app.webhooks.clone(), changes, stream: name };
    let pushes = Worker { app: app.clone(), name, stream };
    tokio::select! {
        never = pushes.run() => never,
        never = webhooks.run() => never,
    }
}

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Cursor(#[from] BucketError),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Worker {
    async fn run(self) -> Infallible {
        loop {
            let Err(error) = self.work().await;
            self.app.status.set(&self.stream, Status::Waiting(error.to_string()));
            sleep(RETRY).await;
        }
    }

    async fn work(&self) -> Result<Infallible, WorkError> {
        let Self { app, stream, .. } = self;
        let mut announced = app.wakeups.of(stream);
        let mut ended = app.delivery.ended();
        let mut cursor = app.cursors.read(stream).await?;
        if let Some(planned) = &cursor.planned
            && plan::skip_if_restored(&app.database.delivery, stream, planned).await?
        {
            tracing::warn!(stream.label = stream, "the database is an older copy: what it had to tell is skipped");
        }
        self.recover().await?;
        let mut clean_up_at = Instant::now();
        loop {
            announced.mark_unchanged();
            ended.mark_unchanged();
            let mut wait = MAX_WAIT;
            if let Some(generation) = app.database.served().await? {
                self.plan(&generation, &mut cursor).await?;
                self.tell(&generation).await?;
                app.delivery.start(&generation.pool, stream).await?;
                wait = self.next_due(&generation).await?.min(MAX_WAIT);
                app.status.set(stream, Status::Working);
                if Instant::now() >= clean_up_at && !plan::remove_old(&generation.pool).await? {
                    clean_up_at = Instant::now() + CLEANUP_INTERVAL;
                }
            } else {
                app.status.set(stream, Status::Waiting("no generation of the read model is active".to_owned()));
            }
            self.wait(&mut announced, &mut ended, wait).await;
        }
    }

    /// Continues with what a former worker was sending.
    async fn recover(&self) -> Result<(), WorkError> {
        let Self { app, stream, .. } = self;
        let wait = app.delivery.timeout + RECORDING_TIME;
        let given_up = pushes::recover(&app.database.delivery, stream, &app.delivery.sending(), wait).await?;
        if given_up > 0 {
            tracing::warn!(stream.label = self.stream, given_up, "push messages were interrupted twice");
        }
        Ok(())
    }

    async fn plan(&self, generation: &Generation, cursor: &mut Cursor) -> Result<(), WorkError> {
        loop {
            let planning = plan(&generation.pool, &self.stream, cursor.planned.as_ref(), self.app.rules).await?;
            let progress = match planning {
                None => return Ok(()),
                Some(Planning::OtherLog(checkpoint)) => {
                    self.begin(generation, cursor, checkpoint).await?;
                    continue;
                }
                Some(Planning::Progress(progress)) => progress,
            };
            METRICS.planned(&self.stream, progress.alarms);
            self.app.cursors.write(cursor, progress.planned).await?;
            if !progress.has_more {
                return Ok(());
            }
        }
    }

    /// Begins at the end of another log. A read model that is being built from it is behind.
    async fn begin(&self, generation: &Generation, cursor: &mut Cursor, checkpoint: Planned) -> Result<(), WorkError> {
        let state = self.app.log.state(self.name).await?;
        let mut end = checkpoint;
        if state.incarnation == end.incarnation {
            end.position = end.position.max(i64::try_from(state.last_sequence).unwrap_or(i64::MAX));
        }
        let begun = plan::begin(&generation.pool, &self.stream, end).await?;
        tracing::info!(stream.label = self.stream, position = begun.position, "nothing before this position is told");
        Ok(self.app.cursors.write(cursor, begun).await?)
    }

    async fn tell(&self, generation: &Generation) -> Result<(), WorkError> {
        let groups = due(&generation.pool, &self.stream, GROUPS).await?;
        if groups.is_empty() {
            return Ok(());
        }
        let present = &presence::ask(&self.app.client, &rooms(&groups)).await;
        let nobody = &std::collections::BTreeSet::new();
        stream::iter(groups)
            .map(|group| async move {
                let present = present.get(&group.room_id).unwrap_or(nobody);
                let lifetime_s = self.app.rules.lifetime_s;
                let told = tell(&generation.pool, &self.stream, &group, present, lifetime_s).await;
                let Err(error) = told else { return Ok(()) };
                tracing::warn!(room.id = group.room_id, %error, "alarms cannot be told now");
                postpone(&generation.pool, &self.stream, &group).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    /// Returns the time until something is due that may begin.
    async fn next_due(&self, generation: &Generation) -> Result<Duration, WorkError> {
        let routes = &self.app.delivery.routes;
        let providers: Vec<String> = routes.iter().map(|route| route.provider.to_owned()).collect();
        let due = pushes::next_due(&generation.pool, &self.stream, &providers).await?;
        // The end of a running attempt wakes this worker.
        let pushes = routes.iter().zip(due.pushes).filter_map(|(route, due)| route.gate.wait(due?));
        // What is due now has not begun because of the limits of a host or a user.
        let pushes = pushes.map(|wait| wait.max(RESERVED_WAIT));
        Ok(pushes.chain(due.alarms).min().unwrap_or(MAX_WAIT))
    }

    async fn wait(&self, announced: &mut watch::Receiver<()>, ended: &mut watch::Receiver<()>, wait: Duration) {
        let at = Instant::now() + wait;
        tokio::select! {
            _ = announced.changed() => sleep(COLLECT).await,
            _ = ended.changed() => sleep(COLLECT_ENDED).await,
            () = sleep_until(at) => {}
        }
    }
}

/// Waits until no attempt runs, so that a stopping process leaves no unknown results.
pub(crate) async fn drain(delivery: &Arc<Delivery>, webhooks: &Sender, limit: Duration) {
    let drained = async { tokio::join!(delivery.drained(), webhooks.drained()) };
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!("some push messages or webhooks are still being sent; they will be sent once more");
    }
}
