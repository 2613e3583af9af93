//! `PUT /stores/{store}/availability`

use axum::extract::State;
use domain::StoreCommand;
use eserde::Deserialize;
use service_kit::{auth::AsOperator, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::StorePath, request::Command};

/// The availability of a store: new rooms can be opened for it, or not.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Availability {
    /// It takes orders.
    Open,
    /// It takes none.
    Closed,
}

/// A new availability of a store.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "state": "closed" }))]
pub(crate) struct SetAvailability {
    /// The availability from now on.
    #[eserde(compat)]
    state: Availability,
}

/// Opens or closes a store for orders
#[utoipa::path(
    put, path = "/stores/{store}/availability", tag = "stores", params(StorePath), request_body = SetAvailability
)]
pub(crate) async fn set_availability(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(StorePath { store_id }): Path<StorePath>,
    Command { body, stamp }: Command<SetAvailability>,
) -> Result<Done, Error> {
    let command = match body.state {
        Availability::Open => StoreCommand::OpenStore,
        Availability::Closed => StoreCommand::CloseStore,
    };
    let committed = app.stores.execute(&store_id, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
