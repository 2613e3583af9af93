//! Delivers links in the background, with repeated attempts.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use service_kit::clock;
use tokio::{sync::Semaphore, time::sleep};

use super::hook::Hook;
use crate::metrics::{Delivered, METRICS};

/// The maximum number of links that wait or are being delivered.
const MAX_WAITING: usize = 1000;

/// The number of attempts at the same time.
const CONCURRENCY: usize = 8;

/// The pauses before the repeated attempts.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_mins(2)];

/// A link for a user. It has no `Debug` form.
pub(super) struct Delivery {
    pub(super) user_id: String,
    pub(super) nickname: String,
    pub(super) contact: String,
    pub(super) link: String,
    pub(super) expires_at: DateTime<Utc>,
}

/// The deliveries of the process.
pub(super) struct Deliveries {
    hook: Arc<Hook>,
    waiting: Arc<Semaphore>,
    attempts: Arc<Semaphore>,
}

impl Deliveries {
    /// Creates deliveries to a hook.
    pub(super) fn to(hook: Hook) -> Self {
        let (waiting, attempts) = (Arc::new(Semaphore::new(MAX_WAITING)), Arc::new(Semaphore::new(CONCURRENCY)));
        Self { hook: Arc::new(hook), waiting, attempts }
    }

    /// Begins a delivery in a task of its own. If too many wait it is dropped, and the user may register again.
    pub(super) fn begin(&self, delivery: Delivery) {
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::warn!(user.id = delivery.user_id, "a link is not delivered, because too many wait");
            METRICS.confirmation(Delivered::Dropped);
            return;
        };
        let (hook, attempts) = (Arc::clone(&self.hook), Arc::clone(&self.attempts));
        tokio::spawn(async move {
            let delivered = deliver(&hook, &attempts, &delivery).await;
            METRICS.confirmation(if delivered { Delivered::Sent } else { Delivered::Failed });
            drop(waiting);
        });
    }
}

/// Tries to deliver a link until it succeeds. Returns false if it was given up.
async fn deliver(hook: &Hook, attempts: &Semaphore, delivery: &Delivery) -> bool {
    let id = clock::new_id().to_string();
    let mut pauses = PAUSES.into_iter();
    loop {
        let attempt = async {
            let _permit = attempts.acquire().await;
            hook.deliver(&id, delivery).await
        };
        let Err(error) = attempt.await else { return true };
        let pause = pauses.next().filter(|_| clock::now() < delivery.expires_at);
        tracing::warn!(user.id = delivery.user_id, error, is_last = pause.is_none(), "a link was not delivered");
        match pause {
            Some(pause) => sleep(pause).await,
            None => return false,
        }
    }
}
