//! `PUT /boxes/{box}/service-state`

use axum::extract::State;
use domain::{BoxCommand, OwnCommand, values::Reason};
use eserde::Deserialize;
use service_kit::{auth::AsOperator, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::BoxPath, request::Command, schemas};

/// The service state of a box: new rooms can be opened on it, or not.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServiceState {
    /// It works.
    InService,
    /// It is being repaired; an open room goes on.
    OutOfService,
}

/// A new service state of a box.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "state": "out_of_service", "reason": "The door is stuck" }))]
pub(crate) struct SetServiceState {
    /// The state from now on.
    #[eserde(compat)]
    state: ServiceState,
    /// The reason for taking it out of service.
    #[schema(value_type = Option<schemas::Reason>)]
    #[serde(default)]
    #[eserde(compat)]
    reason: Option<Reason>,
}

impl SetServiceState {
    fn into_command(self) -> BoxCommand {
        match self.state {
            ServiceState::InService => BoxCommand::Box(OwnCommand::ReturnToService),
            ServiceState::OutOfService => BoxCommand::Box(OwnCommand::TakeOutOfService { reason: self.reason }),
        }
    }
}

/// Takes a box out of service, or returns it
#[utoipa::path(
    put, path = "/boxes/{box}/service-state", tag = "boxes", params(BoxPath), request_body = SetServiceState
)]
pub(crate) async fn set_service_state(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body, stamp }: Command<SetServiceState>,
) -> Result<Done, Error> {
    let committed = app.boxes.execute(&box_id, body.into_command(), stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
