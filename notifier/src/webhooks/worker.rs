//! Plans and sends the webhooks of one stream, in the one notifier that holds its lock.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use wire::StreamName;

use super::{
    deliveries,
    plan::{PlanError, Planner},
    sender::Sender,
};

/// The pause after an error.
const RETRY: Duration = Duration::from_secs(1);

/// The interval at which old rows are removed.
const CLEANUP_INTERVAL: Duration = Duration::from_hours(1);

/// The worker for the webhooks of one stream.
pub(crate) struct WebhookWorker {
    pub(crate) sender: Arc<Sender>,
    /// Changes when an operator has changed webhooks.
    pub(crate) changes: watch::Receiver<()>,
    pub(crate) stream: StreamName,
}

impl WebhookWorker {
    /// Works until dropped.
    pub(crate) async fn run(mut self) -> Infallible {
        let mut last_error = String::new();
        loop {
            let Err(error) = self.work().await;
            let error = error.to_string();
            if error != last_error {
                tracing::warn!(stream.label = self.stream.label(), error, "webhooks wait");
                last_error = error;
            }
            sleep(RETRY).await;
        }
    }

    async fn work(&mut self) -> Result<Infallible, PlanError> {
        let label = self.stream.label();
        let repeated = deliveries::recover(&self.sender.pool, &label, &self.sender.sending()).await?;
        if repeated > 0 {
            tracing::info!(stream.label = label, repeated, "webhooks were interrupted and are sent again");
        }
        loop {
            self.changes.mark_unchanged();
            let planner = Planner::open(&self.sender, self.stream).await?;
            if let Some(planner) = planner {
                self.plan_and_send(planner, &label).await?;
            } else {
                self.sender.keep(&[]);
                // The sender of the signal lives as long as the process.
                let _ = self.changes.changed().await;
            }
        }
    }

    /// Returns when there is no webhook any more.
    async fn plan_and_send(&mut self, mut planner: Planner, label: &str) -> Result<(), PlanError> {
        self.sender.keep(&planner.active());
        let new_events = watch::Sender::new(());
        let incarnation = planner.incarnation().to_owned();
        let sending = send(&self.sender, (label, &incarnation), new_events.subscribe());
        let planning = async {
            loop {
                tokio::select! {
                    events = planner.step() => if events? > 0 {
                        new_events.send_replace(());
                    },
                    _ = self.changes.changed() => {
                        if !planner.reload().await? {
                            return Ok(());
                        }
                        self.sender.keep(&planner.active());
                        new_events.send_replace(());
                    }
                }
            }
        };
        tokio::select! {
            ended = planning => ended,
            sent = sending => match sent? {},
        }
    }
}

/// Begins attempts when they are due. Woken when events are planned, when an attempt ends, and by the time.
async fn send(
    sender: &Arc<Sender>,
    place: (&str, &str),
    mut planned: watch::Receiver<()>,
) -> Result<Infallible, PlanError> {
    let mut ended = sender.ended();
    let mut clean_up_at = Instant::now();
    loop {
        planned.mark_unchanged();
        ended.mark_unchanged();
        let mut wait: Option<Duration> = None;
        for (webhook_id, due) in deliveries::next_due(&sender.pool, place).await? {
            let is_due = due.is_zero();
            if is_due {
                sender.start(place, &webhook_id).await?;
            }
            let next = sender.wait(&webhook_id, due);
            // All that is due has begun, unless the webhook is full or pauses.
            let next = next.filter(|next| !(is_due && next.is_zero()));
            wait = [wait, next].into_iter().flatten().min();
        }
        if Instant::now() >= clean_up_at && !deliveries::remove_old(&sender.pool).await? {
            clean_up_at = Instant::now() + CLEANUP_INTERVAL;
        }
        let at = wait.map_or(clean_up_at, |wait| clean_up_at.min(Instant::now() + wait));
        tokio::select! {
            _ = planned.changed() => {}
            _ = ended.changed() => {}
            () = sleep_until(at) => {}
        }
    }
}
