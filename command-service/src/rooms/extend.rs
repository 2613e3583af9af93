//! `POST /rooms/{room}/extensions`

use axum::extract::State;
use domain::{BoxCommand, BoxEvent, values::ExtensionHours};
use serde::Deserialize;
use service_kit::extract::Path;
use utoipa::ToSchema;

use crate::{
    answer::Created,
    app::App,
    error::Error,
    numbers::whole,
    paths::RoomPath,
    problems::Code,
    request::{AsUser, Command},
    schemas,
};

/// More time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "hours": 1 }))]
pub(crate) struct ExtendRoom {
    /// By how many hours.
    #[serde(deserialize_with = "whole")]
    #[schema(value_type = schemas::ExtensionHours)]
    hours: ExtensionHours,
}

/// Keeps the room open for longer
///
/// A room can be extended three times; the id is the extension's number.
#[utoipa::path(post, path = "/rooms/{room}/extensions", tag = "rooms", params(RoomPath), request_body = ExtendRoom)]
pub(crate) async fn extend_room(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<ExtendRoom>,
) -> Result<Created, Error> {
    let command = BoxCommand::ExtendRoom { room_id: room_id.clone(), by: by.clone(), hours: body.hours, at: stamp.at };
    let committed = app.in_room(&room_id, command, stamp.by(&by)).await?;
    let extended = committed.events.iter().find_map(|event| match event.payload {
        BoxEvent::RoomExtended { extension, closes_at, .. } => Some((extension, closes_at)),
        _ => None,
    });
    let (extension, closes_at) = extended.ok_or(Code::Internal)?;
    // Only now: a refused extension must not put the room's end off. Should it fail, the former deadline fires, finds
    // the room with another one, and arms that.
    if !committed.replayed && app.deadlines.schedule(&room_id, closes_at).await.is_err() {
        tracing::warn!(room.id = %room_id, "the former deadline will have to arm the new one");
    }
    Ok(Created::of(&committed, &extension))
}
