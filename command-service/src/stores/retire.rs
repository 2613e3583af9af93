//! `PUT /stores/{store}/retirement`

use axum::extract::State;
use domain::StoreCommand;
use service_kit::{auth::AsOperator, extract::Path};

use crate::{answer::Done, app::App, error::Error, moderation::Reasoned, paths::StorePath, request::Command};

/// Retires a store for good
///
/// No new room can be opened for it. Open rooms stay open.
#[utoipa::path(put, path = "/stores/{store}/retirement", tag = "stores", params(StorePath), request_body = Reasoned)]
pub(crate) async fn retire_store(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(StorePath { store_id }): Path<StorePath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    let context = stamp.of_operator(&operator, body.reason);
    let committed = app.stores.execute(&store_id, StoreCommand::RetireStore, context).await?;
    Ok(Done::of(&committed))
}
