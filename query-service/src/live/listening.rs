//! The subscription to notifications of the served generation.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::{Client, Message, Subscriber, connection::State};
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use wire::transient;

use crate::generation::{Generation, Generations};

/// The delay before a failed or ended subscription is made again.
const RETRY: Duration = Duration::from_secs(1);

/// Passes each notification to `on_notification`, until it is dropped. Calls `subscribed` after each subscription:
/// earlier notifications may have been missed and must be recovered elsewhere.
///
/// Notifications of the next generation wait in a subscription of their own until it is served. They are passed on when
/// those of the former one have ended, so that none is lost, and none arrives before its data can be read.
pub(super) async fn listen(
    nats: &Client,
    generations: &Generations,
    subscribed: impl Fn(),
    on_notification: impl Fn(&Generation, &Message),
) -> Infallible {
    let (mut served, mut upcoming) = (generations.changes(), generations.upcoming());
    let mut waiting: Option<(i64, Subscriber)> = None;
    loop {
        let generation = served.borrow_and_update().clone();
        let number = generation.as_ref().map(|generation| generation.number());
        let prepared = waiting.take().filter(|(waiting, _)| Some(*waiting) == number);
        let subscription = match (prepared, number) {
            (Some((_, subscription)), _) => Some(subscription),
            (None, Some(number)) => nats.subscribe(transient::all_changes(number)).await.ok(),
            (None, None) => None,
        };
        let Some((generation, mut notifications)) = generation.zip(subscription) else {
            let _ = timeout(RETRY, served.changed()).await;
            continue;
        };
        if nats.connection_state() == State::Connected {
            let _ = nats.flush().await;
        }
        subscribed();
        let receive_all = async {
            while let Some(notification) = notifications.next().await {
                on_notification(&generation, &notification);
            }
        };
        let prepare = async {
            loop {
                let next = upcoming.borrow_and_update().filter(|next| Some(*next) != number);
                if let Some(next) = next {
                    waiting = nats
                        .subscribe(transient::all_changes(next))
                        .await
                        .ok()
                        .map(|subscription| (next, subscription));
                }
                if upcoming.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = receive_all => sleep(RETRY).await,
            () = another_generation(&mut served, number) => {}
            never = prepare => never,
        }
    }
}

/// Returns when another generation than this one is served.
async fn another_generation(changes: &mut watch::Receiver<Option<Arc<Generation>>>, served: Option<i64>) {
    let number = |generation: &Option<Arc<Generation>>| generation.as_ref().map(|generation| generation.number());
    if changes.wait_for(|generation| number(generation) != served).await.is_err() {
        // The watch of generations has ended, because the process stops.
        std::future::pending::<()>().await;
    }
}
