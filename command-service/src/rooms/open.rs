//! `POST /boxes/{box}/rooms`

#![expect(clippy::unnecessary_wraps, reason = "eserde generates such a function for a field with its own deserializer")]

use axum::extract::State;
use domain::{
    BoxCommand, BoxEvent, OwnCommand, RoomEvent, StoreId, UserId,
    values::{MaxMembers, Title},
};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use super::opening;
use crate::{
    answer::Created,
    app::App,
    error::Error,
    numbers::whole_number,
    passwords::{NewRoomPassword, Work},
    paths::BoxPath,
    problems::Code,
    request::Command,
    schemas,
    stamp::Stamp,
    text_filter::Filtered,
};

/// A room to open on a free box.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "store_id": "pizzeria", "title": "Pizza at noon", "max_members": 4, "password": "margherita"
}))]
pub(crate) struct OpenRoom {
    /// The store for the order.
    #[schema(value_type = schemas::StoreId)]
    #[eserde(compat)]
    store_id: StoreId,
    /// The title of the room.
    #[schema(value_type = schemas::Title)]
    #[eserde(compat)]
    title: Title,
    /// The maximum number of members.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = schemas::MaxMembers)]
    max_members: MaxMembers,
    /// The password; absent for a room without a lock.
    #[schema(value_type = Option<schemas::NewRoomPassword>)]
    #[serde(default)]
    #[eserde(compat)]
    password: Option<NewRoomPassword>,
}

impl OpenRoom {
    /// Returns the command, and true if the filters refuse the title.
    async fn into_command(self, app: &App, host: UserId, stamp: &Stamp) -> Result<(BoxCommand, bool), Error> {
        let Self { store_id, title, max_members, password } = self;
        let store_open = app.store_is_open(&store_id).await?;
        let Filtered { text: title, is_refused, .. } = app.text_filter.title(title).await?;
        let password_hash = match password {
            Some(password) => Some(app.passwords.hash(Work::Room(&host), password).await?),
            None => None,
        };
        let (lifetime, at) = (app.room_lifetime, stamp.at);
        let command =
            OwnCommand::OpenRoom { host, store_id, store_open, title, max_members, password_hash, lifetime, at };
        Ok((BoxCommand::Box(command), is_refused))
    }
}

/// Opens a room on a free box and becomes its host
///
/// Only one of several concurrent attempts succeeds. The room closes by itself at its deadline.
#[utoipa::path(post, path = "/boxes/{box}/rooms", tag = "rooms", params(BoxPath), request_body = OpenRoom)]
pub(crate) async fn open_room(
    State(app): State<App>,
    AsUser(host): AsUser,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body, stamp }: Command<OpenRoom>,
) -> Result<Created, Error> {
    let (command, is_refused) = body.into_command(&app, host.clone(), &stamp).await?;
    let committed = opening::open(&app, &box_id, (&host, command), is_refused, stamp.by(&host)).await?;
    let opened = committed.events.iter().find_map(|event| match event {
        BoxEvent::Room { room_id, event: RoomEvent::RoomOpened { .. } } => Some(room_id),
        _ => None,
    });
    let room_id = opened.ok_or(Code::Internal)?;
    Ok(Created::of(&committed, room_id))
}
