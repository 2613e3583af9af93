//! `POST /boxes/{box}/dropped-events`

use axum::extract::State;
use domain::{BoxCommand, EventSequence, OwnCommand, values::Reason};
use eserde::Deserialize;
use service_kit::{auth::AsOperator, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Created, app::App, error::Error, paths::BoxPath, request::Command, schemas};

/// An event to drop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "sequence": "42", "reason": "Written by a release that was taken back" }))]
pub(crate) struct DropEvent {
    /// Its sequence in the log of the box's partition.
    #[schema(value_type = schemas::EventSequence)]
    #[eserde(compat)]
    sequence: EventSequence,
    /// The reason for dropping it.
    #[schema(value_type = schemas::Reason)]
    #[eserde(compat)]
    reason: Reason,
}

/// Drops an event that cannot be projected
///
/// The box is quarantined until its event is dropped or a release can read it. Read models that cannot read a dropped
/// event skip it. An event that can be projected still is.
#[utoipa::path(post, path = "/boxes/{box}/dropped-events", tag = "boxes", params(BoxPath), request_body = DropEvent)]
pub(crate) async fn drop_event(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body: DropEvent { sequence, reason }, stamp }: Command<DropEvent>,
) -> Result<Created, Error> {
    let commit = app.boxes.commit_of(&box_id, sequence).await?;
    let command = BoxCommand::Box(OwnCommand::DropEvent { commit, reason });
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await?;
    Ok(Created::of(&committed, &committed.sequence))
}
