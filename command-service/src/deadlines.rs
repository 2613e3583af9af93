//! Closes rooms at their deadlines.

use domain::{RoomCommand, UserId};
use event_store::{ActorRole, CommandContext, FiredDeadline};
use futures::StreamExt;
use service_kit::{clock, trace};
use tracing::{Instrument, Span};

use crate::{
    app::App,
    error::Error,
    metrics::{METRICS, Outcome},
};

/// The number of rooms that are closed concurrently.
const CONCURRENCY: usize = 16;

/// Handles every deadline that fires, and acknowledges it once nothing is left to do. Never ends.
pub(crate) async fn run(app: App) {
    app.deadlines
        .fired()
        .for_each_concurrent(CONCURRENCY, |fired| {
            let app = app.clone();
            async move {
                let span = tracing::info_span!(target: trace::TARGET, "deadline", room.id = %fired.room_id);
                let outcome = close(&app, &fired).instrument(span).await;
                METRICS.fired(outcome.as_ref().ok().copied());
                if outcome.is_ok() {
                    fired.acknowledge().await;
                } else {
                    tracing::warn!(room.id = %fired.room_id, "a deadline failed and will fire again");
                }
            }
        })
        .await;
}

/// Closes the room if the deadline is still its own. A fired deadline may be stale: the state of the box decides.
async fn close(app: &App, fired: &FiredDeadline) -> Result<Outcome, Error> {
    app.clock.require().await?;
    let box_id = fired.room_id.box_id();
    let (state, _) = app.boxes.load_latest(box_id).await?;
    let Some(room) = state.room().filter(|room| !room.is_closed()) else { return Ok(Outcome::Stale) };
    if (room.room_id(), room.closes_at()) != (&fired.room_id, fired.closes_at) {
        app.deadlines.schedule(room.room_id(), room.closes_at()).await?;
        return Ok(Outcome::ArmedAgain);
    }
    let command = RoomCommand::ExpireRoom { closes_at: fired.closes_at }.in_room(fired.room_id.clone());
    let context = CommandContext {
        command_id: None,
        request_hash: app.secret.hash(&[b"deadline", fired.room_id.to_string().as_bytes()]),
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: trace::traceparent_of(&Span::current()),
    };
    let committed = app.boxes.execute(box_id, command, context).await?;
    if committed.events.is_empty() {
        return Ok(Outcome::Stale);
    }
    tracing::info!(room.id = %fired.room_id, "closed a room at its deadline");
    Ok(Outcome::Closed)
}
