//! `POST /rooms/{room}/extensions`

#![expect(clippy::unnecessary_wraps, reason = "eserde generates such a function for a field with its own deserializer")]

use axum::extract::State;
use domain::{BoxEvent, RoomCommand, RoomEvent, delivery_box::CLOSING_WARNING, values::ExtensionHours};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{
    answer::Created, app::App, error::Error, numbers::whole_number, paths::RoomPath, problems::Code, request::Command,
    schemas,
};

/// An extension of a room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "hours": 1 }))]
pub(crate) struct ExtendRoom {
    /// The number of hours.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = schemas::ExtensionHours)]
    hours: ExtensionHours,
}

/// Extends a room
///
/// A room can be extended three times; the id is the extension's number.
#[utoipa::path(post, path = "/rooms/{room}/extensions", tag = "rooms", params(RoomPath), request_body = ExtendRoom)]
pub(crate) async fn extend_room(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<ExtendRoom>,
) -> Result<Created, Error> {
    let command = RoomCommand::ExtendRoom { by: by.clone(), hours: body.hours, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, stamp.by(&by)).await?;
    let extended = committed.events.iter().find_map(|event| match *event {
        BoxEvent::Room { event: RoomEvent::RoomExtended { extension, closes_at, .. }, .. } => {
            Some((extension, closes_at))
        }
        _ => None,
    });
    let (extension, closes_at) = extended.ok_or(Code::Internal)?;
    // Scheduled after the append: a refused extension must not postpone the end of the room. If this fails, the former
    // deadline fires, finds the new one and schedules it.
    let deadline = closes_at - CLOSING_WARNING;
    if !committed.replayed && app.deadlines.schedule(&room_id, deadline).await.is_err() {
        tracing::warn!(room.id = %room_id, "the extended deadline is scheduled when the former one fires");
    }
    Ok(Created::of(&committed, &extension))
}
