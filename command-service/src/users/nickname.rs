//! `PATCH /users/me`

use axum::extract::State;
use domain::{UserCommand, values::Nickname};
use eserde::Deserialize;
use service_kit::auth::AsUser;
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, request::Command, schemas};

/// A new nickname.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "nickname": "Annabel" }))]
pub(crate) struct ChangeNickname {
    /// The nickname that others see from now on.
    #[schema(value_type = schemas::Nickname)]
    #[eserde(compat)]
    nickname: Nickname,
}

/// Changes the nickname
#[utoipa::path(patch, path = "/users/me", tag = "users", request_body = ChangeNickname)]
pub(crate) async fn change_nickname(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Command { body, stamp }: Command<ChangeNickname>,
) -> Result<Done, Error> {
    app.nicknames.claimed().await?;
    app.require_active(&stamp.by(&user_id)).await?;
    let is_refused = app.text_filter.refuses_nickname(&body.nickname).await?;
    let command = UserCommand::ChangeNickname { nickname: body.nickname };
    let admission = app.quotas.nickname(&user_id).unless_refused(is_refused);
    let result = app.users.execute_prepared(&user_id, command, stamp.by(&user_id), &admission.preparation()).await;
    Ok(Done::of(&admission.conclude(result)?))
}
