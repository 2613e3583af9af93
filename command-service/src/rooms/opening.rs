//! Opening a room: its deadline is armed before the append, so that no open room is without one.

use chrono::{DateTime, Utc};
use domain::{BoxCommand, BoxEvent, BoxId, DeliveryBox, RoomId};
use event_store::{CommandContext, Committed};
use service_kit::clock;

use crate::{app::App, error::Error};

/// When a room closes by itself.
type Deadline = (RoomId, DateTime<Utc>);

pub(super) async fn open(
    app: &App,
    box_id: &BoxId,
    command: BoxCommand,
    context: CommandContext,
) -> Result<Committed<DeliveryBox>, Error> {
    let armed = arm(app, box_id, &command).await?;
    let result = app.boxes.execute(box_id, command, context).await;
    match &result {
        Ok(committed) if !committed.replayed => {
            let opened = deadline(committed.events.iter().map(|event| &event.payload));
            // What was in memory was behind, so another room was armed than was opened; or the append has outlasted a
            // short deadline, which came and found no room.
            let missed = opened.filter(|opened| armed.as_ref() != Some(opened) || opened.1 <= clock::now());
            if let Some((room_id, closes_at)) = missed {
                app.deadlines.schedule(&room_id, closes_at).await?;
            }
        }
        Err(_) if armed.is_some() => restore(app, box_id).await,
        Ok(_) | Err(_) => {}
    }
    Ok(result?)
}

/// Arms the deadline of the room that the command would open, as far as is known here.
/// While another room is open its deadline is left alone: a box has only one.
async fn arm(app: &App, box_id: &BoxId, command: &BoxCommand) -> Result<Option<Deadline>, Error> {
    let (state, _) = app.boxes.load(box_id).await?;
    let Ok(events) = state.decide(command.clone()) else { return Ok(None) };
    let armed = deadline(events.iter());
    if let Some((room_id, closes_at)) = &armed {
        app.deadlines.schedule(room_id, *closes_at).await?;
    }
    Ok(armed)
}

fn deadline<'a>(mut events: impl Iterator<Item = &'a BoxEvent>) -> Option<Deadline> {
    events.find_map(|event| match event {
        BoxEvent::RoomOpened { room_id, closes_at, .. } => Some((room_id.clone(), *closes_at)),
        _ => None,
    })
}

/// Others were faster: gives their room its deadline back. Should this fail, ours fires in its place, a little late.
async fn restore(app: &App, box_id: &BoxId) {
    let restored = async {
        let (state, _) = app.boxes.load_latest(box_id).await?;
        if let Some(room) = state.room().filter(|room| !room.is_closed()) {
            app.deadlines.schedule(room.room_id(), room.closes_at()).await?;
        }
        Ok::<_, Error>(())
    };
    if restored.await.is_err() {
        tracing::warn!(box.id = %box_id, "the deadline of a room may fire late");
    }
}
