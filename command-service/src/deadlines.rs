//! Closes rooms at their deadlines, and warns their members before.

use chrono::{DateTime, Utc};
use domain::{RoomCommand, RoomId, UserId};
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
                let outcome = handle(&app, &fired).instrument(span).await;
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

/// Does what is due at the deadline. A fired deadline may be stale: the state of the box decides.
async fn handle(app: &App, fired: &FiredDeadline) -> Result<Outcome, Error> {
    app.clock.require().await?;
    let (state, _) = app.boxes.load_latest(fired.room_id.box_id()).await?;
    let Some(room) = state.room().filter(|room| !room.is_closed()) else { return Ok(Outcome::Stale) };
    let (room_id, closes_at) = (room.room_id(), room.closes_at());
    let is_due = *room_id == fired.room_id && [closes_at, room.next_deadline()].contains(&fired.at);
    if !is_due {
        app.deadlines.schedule(room_id, room.next_deadline()).await?;
        return Ok(Outcome::ArmedAgain);
    }
    // A warning may fire late.
    if fired.at == closes_at || closes_at <= clock::now() {
        return close(app, room_id, closes_at).await;
    }
    warn(app, room_id, closes_at).await
}

async fn close(app: &App, room_id: &RoomId, closes_at: DateTime<Utc>) -> Result<Outcome, Error> {
    if execute(app, room_id, RoomCommand::ExpireRoom { closes_at }).await? {
        tracing::info!(room.id = %room_id, "closed a room at its deadline");
        return Ok(Outcome::Closed);
    }
    arm_successor(app, room_id, closes_at).await
}

/// Warns the members of a room. The end of the room is scheduled before, so that a failed warning does not delay it.
async fn warn(app: &App, room_id: &RoomId, closes_at: DateTime<Utc>) -> Result<Outcome, Error> {
    app.deadlines.schedule(room_id, closes_at).await?;
    if execute(app, room_id, RoomCommand::WarnOfClosing { closes_at, at: clock::now() }).await? {
        return Ok(Outcome::Warned);
    }
    arm_successor(app, room_id, closes_at).await
}

/// Arms the deadline of the box again after a command without effect: an extension or the opening of the next room may
/// have come first, and its deadline may have been replaced.
async fn arm_successor(app: &App, room_id: &RoomId, closes_at: DateTime<Utc>) -> Result<Outcome, Error> {
    let (state, _) = app.boxes.load_latest(room_id.box_id()).await?;
    match state.room().filter(|room| !room.is_closed()) {
        Some(room) if (room.room_id(), room.closes_at()) != (room_id, closes_at) => {
            app.deadlines.schedule(room.room_id(), room.next_deadline()).await?;
            Ok(Outcome::ArmedAgain)
        }
        _ => Ok(Outcome::Stale),
    }
}

/// Executes a command of the system. Returns true if it has an effect.
async fn execute(app: &App, room_id: &RoomId, command: RoomCommand) -> Result<bool, Error> {
    let context = CommandContext {
        command_id: None,
        request_hash: app.secret.hash(&[b"deadline", room_id.to_string().as_bytes()]),
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: trace::traceparent_of(&Span::current()),
        reason: None,
    };
    let committed = app.boxes.execute(room_id.box_id(), command.in_room(room_id.clone()), context).await?;
    Ok(!committed.events.is_empty())
}
