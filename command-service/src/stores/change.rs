//! `PATCH /stores/{store}`

use axum::extract::State;
use domain::{
    StoreCommand,
    values::{Category, StoreName, ZipCode},
};
use eserde::Deserialize;
use service_kit::{auth::AsOperator, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::StorePath, request::Command, schemas};

/// The details of a store to change; absent ones stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Pizzeria Milano" }))]
pub(crate) struct ChangeStore {
    /// Its name.
    #[schema(value_type = Option<schemas::StoreName>)]
    #[serde(default)]
    #[eserde(compat)]
    name: Option<StoreName>,
    /// Postal code.
    #[schema(value_type = Option<schemas::ZipCode>)]
    #[serde(default)]
    #[eserde(compat)]
    zip_code: Option<ZipCode>,
    /// Its category, like `pizza`.
    #[schema(value_type = Option<schemas::Category>)]
    #[serde(default)]
    #[eserde(compat)]
    category: Option<Category>,
}

/// Changes a store
#[utoipa::path(patch, path = "/stores/{store}", tag = "stores", params(StorePath), request_body = ChangeStore)]
pub(crate) async fn change_store(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(StorePath { store_id }): Path<StorePath>,
    Command { body, stamp }: Command<ChangeStore>,
) -> Result<Done, Error> {
    let ChangeStore { name, zip_code, category } = body;
    let command = StoreCommand::ChangeStore { name, zip_code, category };
    let committed = app.stores.execute(&store_id, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
