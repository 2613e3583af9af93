//! `PATCH /rooms/{room}`

#![expect(clippy::unnecessary_wraps, reason = "eserde generates such a function for a field with its own deserializer")]

use axum::extract::State;
use domain::{
    BoxCommand, RoomChange, RoomCommand, RoomId, StoreId, UserId,
    values::{MaxMembers, Title},
};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{
    answer::Done,
    app::App,
    error::Error,
    numbers::optional_whole_number,
    passwords::{NewRoomPassword, Work},
    paths::RoomPath,
    request::Command,
    schemas,
    stamp::Stamp,
};

/// The details of a room to change; absent ones stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "title": "Pizza at one", "max_members": 6 }))]
pub(crate) struct ChangeRoom {
    /// The store for the order.
    #[schema(value_type = Option<schemas::StoreId>)]
    #[serde(default)]
    #[eserde(compat)]
    store_id: Option<StoreId>,
    /// The title of the room.
    #[schema(value_type = Option<schemas::Title>)]
    #[serde(default)]
    #[eserde(compat)]
    title: Option<Title>,
    /// The maximum number of members, not less than there are.
    #[serde(default, deserialize_with = "optional_whole_number")]
    #[schema(value_type = Option<schemas::MaxMembers>)]
    max_members: Option<MaxMembers>,
    /// The password; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<schemas::NewRoomPassword>)]
    #[eserde(compat)]
    password: PasswordChange,
}

/// The change of a password.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(from = "Option<NewRoomPassword>")]
enum PasswordChange {
    /// The field is absent.
    #[default]
    Keep,
    /// The field is null.
    Remove,
    Set(NewRoomPassword),
}

impl From<Option<NewRoomPassword>> for PasswordChange {
    fn from(password: Option<NewRoomPassword>) -> Self {
        password.map_or(Self::Remove, Self::Set)
    }
}

impl ChangeRoom {
    /// Returns the command, and true if the filters refuse the title.
    async fn into_command(
        self,
        app: &App,
        room_id: &RoomId,
        by: &UserId,
        stamp: &Stamp,
    ) -> Result<(BoxCommand, bool), Error> {
        let Self { store_id, title, max_members, password } = self;
        let store = match store_id {
            Some(store_id) => {
                let is_open = app.store_is_open(&store_id).await?;
                Some((store_id, is_open))
            }
            None => None,
        };
        let password_hash = match password {
            PasswordChange::Set(password) => Some(Some(app.passwords.hash(Work::Room(by), password).await?)),
            PasswordChange::Remove => Some(None),
            PasswordChange::Keep => None,
        };
        let (title, is_refused) = match title {
            Some(title) => {
                let filtered = app.text_filter.title(title).await?;
                (Some(filtered.text), filtered.is_refused)
            }
            None => (None, false),
        };
        let change = RoomChange { store, title, max_members, password_hash };
        let command = RoomCommand::ChangeRoom { by: by.clone(), change, at: stamp.at };
        Ok((command.in_room(room_id.clone()), is_refused))
    }
}

/// Changes a room before the order was placed
#[utoipa::path(patch, path = "/rooms/{room}", tag = "rooms", params(RoomPath), request_body = ChangeRoom)]
pub(crate) async fn change_room(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body, stamp }: Command<ChangeRoom>,
) -> Result<Done, Error> {
    let (command, is_refused) = body.into_command(&app, &room_id, &by, &stamp).await?;
    let admission = app.quotas.room_change(&by).unless_refused(is_refused);
    let committed = app.admitted_in_room(&room_id, command, stamp.by(&by), admission).await?;
    Ok(Done::of(&committed))
}
