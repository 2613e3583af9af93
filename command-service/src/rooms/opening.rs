//! Opens rooms. The host's slot is claimed and the deadline is scheduled before the append, so that every open room has
//! both.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use domain::{BoxCommand, BoxEvent, BoxId, DeliveryBox, Room, RoomEvent, RoomId, UserId};
use event_store::{CommandContext, Committed};
use futures::FutureExt;
use service_kit::clock;

use crate::{app::App, error::Error, problems::Code};

pub(super) async fn open(
    app: &App,
    box_id: &BoxId,
    (host, command): (&UserId, BoxCommand),
    is_refused: bool,
    context: CommandContext,
) -> Result<Committed<DeliveryBox>, Error> {
    app.require_active(&context).await?;
    let is_scheduled = AtomicBool::new(false);
    let admission = app.quotas.opening(host).unless_refused(is_refused);
    let prepare = |events: &[BoxEvent]| {
        let (admitted, opening) = (admission.require(events), events.iter().find_map(deadline_of));
        let (admission, context, is_scheduled) = (&admission, &context, &is_scheduled);
        async move {
            admitted?;
            let Some((room_id, deadline)) = opening else { return Ok(()) };
            let slots = app.quotas.open_rooms;
            if slots > 0 && !app.openers.claim(host, &room_id, slots, context).await? {
                let detail = format!("A user can host at most {slots} open rooms that the user has opened.");
                return Err(admission.reject(Error::detailed(Code::TooManyOpenRooms, detail)));
            }
            is_scheduled.store(true, Ordering::Relaxed);
            Ok(app.deadlines.schedule(&room_id, deadline).await?)
        }
        .boxed()
    };
    let result = app.boxes.execute_prepared(box_id, command, context.clone(), &prepare).await;
    match &result {
        Ok(committed) if !committed.replayed => {
            // A short deadline may have fired during the append, before the room existed. And the handler of a late
            // deadline of the former room may have replaced this one.
            if let Some((room_id, deadline)) = committed.events.iter().find_map(deadline_of) {
                let armed = app.deadlines.schedule(&room_id, deadline).await;
                if deadline <= clock::now() {
                    armed?;
                } else if let Err(error) = armed {
                    tracing::warn!(room.id = %room_id, %error, "the deadline of a room was not armed again");
                }
            }
        }
        Err(_) if is_scheduled.load(Ordering::Relaxed) => restore(app, box_id).await,
        Ok(_) | Err(_) => {}
    }
    admission.conclude(result)
}

/// Returns the room that the event opens, with its first deadline.
fn deadline_of(event: &BoxEvent) -> Option<(RoomId, DateTime<Utc>)> {
    match event {
        BoxEvent::Room { room_id, event: RoomEvent::RoomOpened { opened_at, closes_at, .. } } => {
            Some((room_id.clone(), Room::first_deadline(*opened_at, *closes_at)))
        }
        _ => None,
    }
}

/// Restores the deadline of the room that won the race. If this fails, the deadline of the lost attempt fires instead,
/// a little late.
async fn restore(app: &App, box_id: &BoxId) {
    let restored = async {
        let (state, _) = app.boxes.load_latest(box_id).await?;
        if let Some(room) = state.room().filter(|room| !room.is_closed()) {
            app.deadlines.schedule(room.room_id(), room.next_deadline()).await?;
        }
        Ok::<_, Error>(())
    };
    if restored.await.is_err() {
        tracing::warn!(box.id = %box_id, "the deadline of a room may fire late");
    }
}
