//! Hearing notices on one subject, of whichever generation is served.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::{Client, Message, Subscriber, connection::State};
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::generation::{Generation, Generations};

/// How soon a subscription that failed or ended is made again.
const RETRY: Duration = Duration::from_secs(1);

/// Hears each notice until it is dropped. Says after each subscription that it is on its way: what was told before may
/// have been missed, and has to be looked for elsewhere.
///
/// What the next generation tells before it is served waits in a subscription of its own, and is heard when nothing is
/// heard of the former one any more: nothing gets lost in between, and nothing is heard that cannot be read yet.
pub(super) async fn listen(
    nats: &Client,
    generations: &Generations,
    subject: impl Fn(i64) -> String,
    subscribed: impl Fn(),
    hear: impl Fn(&Message),
) -> Infallible {
    let (mut served, mut upcoming) = (generations.changes(), generations.upcoming());
    let mut waiting: Option<(i64, Subscriber)> = None;
    loop {
        let generation = served.borrow_and_update().as_ref().map(|generation| generation.number());
        let prepared = waiting.take().filter(|(number, _)| Some(*number) == generation);
        let subscription = match (prepared, generation) {
            (Some((_, subscription)), _) => Some(subscription),
            (None, Some(generation)) => nats.subscribe(subject(generation)).await.ok(),
            (None, None) => None,
        };
        let Some(mut notices) = subscription else {
            let _ = timeout(RETRY, served.changed()).await;
            continue;
        };
        if nats.connection_state() == State::Connected {
            let _ = nats.flush().await;
        }
        subscribed();
        let hear_all = async {
            while let Some(notice) = notices.next().await {
                hear(&notice);
            }
        };
        let prepare = async {
            loop {
                let next = upcoming.borrow_and_update().filter(|next| Some(*next) != generation);
                if let Some(next) = next {
                    waiting = nats.subscribe(subject(next)).await.ok().map(|subscription| (next, subscription));
                }
                if upcoming.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = hear_all => sleep(RETRY).await,
            () = another_generation(&mut served, generation) => {}
            never = prepare => never,
        }
    }
}

/// Returns when another generation is served than this one.
async fn another_generation(changes: &mut watch::Receiver<Option<Arc<Generation>>>, served: Option<i64>) {
    let number = |generation: &Option<Arc<Generation>>| generation.as_ref().map(|generation| generation.number());
    if changes.wait_for(|generation| number(generation) != served).await.is_err() {
        // nobody looks after generations any more: the process ends
        std::future::pending::<()>().await;
    }
}
