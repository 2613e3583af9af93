//! `POST /boxes`

use axum::extract::State;
use domain::{
    BoxCommand, BoxId, OwnCommand,
    values::{Address, BoxKind, Latitude, Longitude, ZipCode},
};
use eserde::Deserialize;
use service_kit::auth::AsOperator;
use utoipa::ToSchema;

use crate::{answer::Created, app::App, error::Error, problems::Code, request::Command, schemas};

/// A box and its location.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "box_id": "box-1", "kind": "shared", "zip_code": "04109", "address": "Markt 1",
    "detailed_address": "by the gate", "latitude": 51.34, "longitude": 12.37
}))]
pub(crate) struct InstallBox {
    /// Its id; generated if absent.
    #[schema(value_type = Option<schemas::BoxId>)]
    #[serde(default)]
    #[eserde(compat)]
    box_id: Option<BoxId>,
    /// The users that may use it.
    #[schema(value_type = schemas::BoxKind)]
    #[eserde(compat)]
    kind: BoxKind,
    /// Postal code.
    #[schema(value_type = schemas::ZipCode)]
    #[eserde(compat)]
    zip_code: ZipCode,
    /// Street address.
    #[schema(value_type = schemas::Address)]
    #[eserde(compat)]
    address: Address,
    /// Floor, door, corner.
    #[schema(value_type = schemas::Address)]
    #[eserde(compat)]
    detailed_address: Address,
    /// Degrees north.
    #[schema(value_type = schemas::Latitude)]
    #[eserde(compat)]
    latitude: Latitude,
    /// Degrees east.
    #[schema(value_type = schemas::Longitude)]
    #[eserde(compat)]
    longitude: Longitude,
}

impl InstallBox {
    fn into_command(self, box_id: BoxId) -> BoxCommand {
        let Self { kind, zip_code, address, detailed_address, latitude, longitude, .. } = self;
        let coordinates = (latitude, longitude).into();
        BoxCommand::Box(OwnCommand::InstallBox { box_id, kind, zip_code, address, detailed_address, coordinates })
    }
}

/// Installs a box
#[utoipa::path(post, path = "/boxes", tag = "boxes", request_body = InstallBox)]
pub(crate) async fn install_box(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Command { body, stamp }: Command<InstallBox>,
) -> Result<Created, Error> {
    let generated = || app.generate_id("box", &operator, &stamp).parse().map_err(|_| Code::Internal);
    let box_id: BoxId = body.box_id.clone().map_or_else(generated, Ok)?;
    let command = body.into_command(box_id.clone());
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await?;
    Ok(Created::of(&committed, &box_id))
}
