//! Answers the notifiers' questions: who is connected to some rooms through this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use async_nats::{Client, Message};
use domain::{RoomId, UserId};
use futures::StreamExt;
use tokio::time::sleep;
use wire::transient::ASK_PRESENCE;

use super::signals::Signals;

/// The maximum number of rooms in a question. The answer contains the first ones.
const MAX_ROOMS: usize = 1_000;

/// The delay before a failed or ended subscription is made again.
const RETRY: Duration = Duration::from_secs(1);

/// Answers until it is dropped. A question is a JSON array of rooms; the answer, an object with the users of each room,
/// is sent only if there are any.
pub(super) async fn serve(nats: Client, signals: Arc<Signals>) -> Infallible {
    loop {
        match nats.subscribe(ASK_PRESENCE).await {
            Ok(mut questions) => {
                while let Some(question) = questions.next().await {
                    answer(&nats, &signals, question).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot listen for questions about presence"),
        }
        sleep(RETRY).await;
    }
}

async fn answer(nats: &Client, signals: &Signals, question: Message) {
    let Some(inbox) = question.reply else { return };
    let rooms: Vec<RoomId> = match serde_json::from_slice(&question.payload) {
        Ok(rooms) => rooms,
        Err(error) => return tracing::debug!(%error, "malformed question about presence"),
    };
    let followers = |room: RoomId| signals.users(&room).map(|users| (room, users));
    let present: BTreeMap<RoomId, BTreeSet<UserId>> = rooms.into_iter().take(MAX_ROOMS).filter_map(followers).collect();
    if present.is_empty() {
        return;
    }
    let payload = serde_json::to_vec(&present).unwrap_or_default();
    if let Err(error) = nats.publish(inbox, payload.into()).await {
        tracing::debug!(%error, "an answer about presence was lost");
    }
}
