//! Closes rooms whose deadline has come, with nobody there.

use domain::{BoxCommand, UserId};
use event_store::{CommandContext, Fired};
use futures::StreamExt;
use service_kit::clock;

use crate::{app::App, error::Error};

/// How many are closed at a time.
const CONCURRENCY: usize = 16;

/// Hears of every deadline that fires, and settles it once nothing is left to do. Never ends.
pub(crate) async fn run(app: App) {
    app.deadlines
        .fired()
        .for_each_concurrent(CONCURRENCY, |fired| {
            let app = app.clone();
            async move {
                if close(&app, &fired).await.is_ok() {
                    fired.settle().await;
                } else {
                    tracing::warn!(room.id = %fired.room_id, "a deadline will come again");
                }
            }
        })
        .await;
}

/// What fires may be stale: the room on the box decides, never the clock of this machine.
async fn close(app: &App, fired: &Fired) -> Result<(), Error> {
    let box_id = fired.room_id.box_id();
    let (state, _) = app.boxes.load_latest(box_id).await?;
    let Some(room) = state.room().filter(|room| !room.is_closed()) else { return Ok(()) };
    if (room.room_id(), room.closes_at()) != (&fired.room_id, fired.closes_at) {
        app.deadlines.schedule(room.room_id(), room.closes_at()).await?;
        return Ok(());
    }
    let command = BoxCommand::ExpireRoom { room_id: fired.room_id.clone(), closes_at: fired.closes_at };
    let context = CommandContext {
        command_id: None,
        request_hash: app.secret.hash(&[b"deadline", fired.room_id.to_string().as_bytes()]),
        actor: UserId::system(),
        at: clock::now(),
        traceparent: None,
    };
    let committed = app.boxes.execute(box_id, command, context).await?;
    if !committed.events.is_empty() {
        tracing::info!(room.id = %fired.room_id, "closed a room at its deadline");
    }
    Ok(())
}
