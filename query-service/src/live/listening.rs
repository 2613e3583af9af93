//! Hearing notices on one subject, of whichever generation is served.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::{Client, Message, connection::State};
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
pub(super) async fn listen(
    nats: &Client,
    generations: &Generations,
    subject: impl Fn(i64) -> String,
    subscribed: impl Fn(),
    hear: impl Fn(&Message),
) -> Infallible {
    let mut generations = generations.changes();
    loop {
        let generation = generations.borrow_and_update().as_ref().map(|generation| generation.number());
        let subscription = match generation {
            Some(generation) => nats.subscribe(subject(generation)).await.ok(),
            None => None,
        };
        let Some(mut notices) = subscription else {
            let _ = timeout(RETRY, generations.changed()).await;
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
        tokio::select! {
            () = hear_all => sleep(RETRY).await,
            () = another_generation(&mut generations, generation) => {}
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
