//! `POST /boxes/{box}/dropped-events`

use axum::extract::State;
use domain::{BoxCommand, EventSequence, values::Reason};
use serde::Deserialize;
use service_kit::extract::Path;
use utoipa::ToSchema;

use crate::{
    answer::Created,
    app::App,
    error::Error,
    paths::BoxPath,
    request::{AsOperator, Command},
    schemas,
};

/// An event that is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "sequence": "42", "reason": "Written by a release that was taken back" }))]
pub(crate) struct DropEvent {
    /// Where it stands in the log of the box's partition.
    #[schema(value_type = schemas::EventSequence)]
    sequence: EventSequence,
    /// Why it is given up.
    #[schema(value_type = schemas::Reason)]
    reason: Reason,
}

/// Gives up on an event that cannot be projected
///
/// The box is parked until this is done or a release understands the event. It then counts as if it had not happened, in
/// every read model that cannot read it. An event that can be projected stays.
#[utoipa::path(post, path = "/boxes/{box}/dropped-events", tag = "boxes", params(BoxPath), request_body = DropEvent)]
pub(crate) async fn drop_event(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body: DropEvent { sequence, reason }, stamp }: Command<DropEvent>,
) -> Result<Created, Error> {
    let commit = app.boxes.commit_of(&box_id, sequence).await?;
    let command = BoxCommand::DropEvent { commit, reason };
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await?;
    Ok(Created::of(&committed, &committed.sequence))
}
