//! `POST /stores`

use axum::extract::State;
use domain::{
    StoreCommand, StoreId,
    values::{Category, StoreName, ZipCode},
};
use eserde::Deserialize;
use service_kit::auth::AsOperator;
use utoipa::ToSchema;

use crate::{answer::Created, app::App, error::Error, problems::Code, request::Command, schemas};

/// A store to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "store_id": "pizzeria", "name": "Pizzeria Roma", "zip_code": "04109", "category": "pizza"
}))]
pub(crate) struct RegisterStore {
    /// Its id; generated if absent.
    #[schema(value_type = Option<schemas::StoreId>)]
    #[serde(default)]
    #[eserde(compat)]
    store_id: Option<StoreId>,
    /// Its name.
    #[schema(value_type = schemas::StoreName)]
    #[eserde(compat)]
    name: StoreName,
    /// Postal code.
    #[schema(value_type = schemas::ZipCode)]
    #[eserde(compat)]
    zip_code: ZipCode,
    /// Its category, like `pizza`.
    #[schema(value_type = Option<schemas::Category>)]
    #[serde(default)]
    #[eserde(compat)]
    category: Option<Category>,
}

/// Registers a store, open for orders
#[utoipa::path(post, path = "/stores", tag = "stores", request_body = RegisterStore)]
pub(crate) async fn register_store(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Command { body, stamp }: Command<RegisterStore>,
) -> Result<Created, Error> {
    let RegisterStore { store_id, name, zip_code, category } = body;
    let generated = || app.generate_id("store", &operator, &stamp).parse().map_err(|_| Code::Internal);
    let store_id: StoreId = store_id.map_or_else(generated, Ok)?;
    let command = StoreCommand::RegisterStore { store_id: store_id.clone(), name, zip_code, category };
    let committed = app.stores.execute(&store_id, command, stamp.by_operator(&operator)).await?;
    Ok(Created::of(&committed, &store_id))
}
