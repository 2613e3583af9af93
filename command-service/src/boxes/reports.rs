//! `POST /boxes/{box}/arrivals` and `/door-openings`: reports by the box itself.

use axum::extract::State;
use domain::{BoxCommand, OwnCommand};
use service_kit::{auth::Caller, extract::Path};

use crate::{answer::Created, app::App, error::Error, paths::BoxPath, request::BareCommand};

/// Reports that food was put into the box
#[utoipa::path(post, path = "/boxes/{box}/arrivals", tag = "boxes", params(BoxPath))]
pub(crate) async fn record_arrival(
    State(app): State<App>,
    caller: Caller,
    Path(BoxPath { box_id }): Path<BoxPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Created, Error> {
    caller.require_device_of(&box_id)?;
    let command = BoxCommand::Box(OwnCommand::RecordArrival { at: stamp.at });
    let committed = app.boxes.execute(&box_id, command, stamp.by_device(&caller.user_id)).await?;
    Ok(Created::of(&committed, &committed.sequence))
}

/// Reports that the door of the box was opened
#[utoipa::path(post, path = "/boxes/{box}/door-openings", tag = "boxes", params(BoxPath))]
pub(crate) async fn record_door_opening(
    State(app): State<App>,
    caller: Caller,
    Path(BoxPath { box_id }): Path<BoxPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Created, Error> {
    caller.require_device_of(&box_id)?;
    let command = BoxCommand::Box(OwnCommand::RecordDoorOpening { at: stamp.at });
    let committed = app.boxes.execute(&box_id, command, stamp.by_device(&caller.user_id)).await?;
    Ok(Created::of(&committed, &committed.sequence))
}
