//! `PATCH /boxes/{box}`

use axum::extract::State;
use domain::{
    BoxCommand, OwnCommand,
    values::{Address, BoxKind, Latitude, Longitude, ZipCode},
};
use eserde::Deserialize;
use service_kit::{auth::AsOperator, extract::Path};
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, paths::BoxPath, request::Command, schemas};

/// The details of a box to change; absent ones stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "detailed_address": "second floor" }))]
pub(crate) struct ChangeBoxDetails {
    /// The users that may use it.
    #[schema(value_type = Option<schemas::BoxKind>)]
    #[serde(default)]
    #[eserde(compat)]
    kind: Option<BoxKind>,
    /// Postal code.
    #[schema(value_type = Option<schemas::ZipCode>)]
    #[serde(default)]
    #[eserde(compat)]
    zip_code: Option<ZipCode>,
    /// Street address.
    #[schema(value_type = Option<schemas::Address>)]
    #[serde(default)]
    #[eserde(compat)]
    address: Option<Address>,
    /// Floor, door, corner.
    #[schema(value_type = Option<schemas::Address>)]
    #[serde(default)]
    #[eserde(compat)]
    detailed_address: Option<Address>,
    /// Its location.
    #[serde(default)]
    coordinates: Option<Place>,
}

/// A location (WGS 84).
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Degrees north.
    #[schema(value_type = schemas::Latitude)]
    #[eserde(compat)]
    latitude: Latitude,
    /// Degrees east.
    #[schema(value_type = schemas::Longitude)]
    #[eserde(compat)]
    longitude: Longitude,
}

impl ChangeBoxDetails {
    fn into_command(self) -> BoxCommand {
        let Self { kind, zip_code, address, detailed_address, coordinates } = self;
        let coordinates = coordinates.map(|Place { latitude, longitude }| (latitude, longitude).into());
        BoxCommand::Box(OwnCommand::ChangeBoxDetails { kind, zip_code, address, detailed_address, coordinates })
    }
}

/// Changes details of a box
#[utoipa::path(patch, path = "/boxes/{box}", tag = "boxes", params(BoxPath), request_body = ChangeBoxDetails)]
pub(crate) async fn change_box_details(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body, stamp }: Command<ChangeBoxDetails>,
) -> Result<Done, Error> {
    let command = body.into_command();
    let committed = app.boxes.execute(&box_id, command, stamp.by_operator(&operator)).await?;
    Ok(Done::of(&committed))
}
