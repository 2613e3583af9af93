//! `POST /users/confirmations`

use axum::extract::State;
use domain::{UserCommand, UserRefusal, values::Nickname};
use eserde::Deserialize;
use event_store::CommandError;
use service_kit::clock;
use utoipa::ToSchema;

use super::{
    confirmation::{Link, LinkToken},
    registration,
};
use crate::{answer::Created, app::App, error::Error, metrics::METRICS, problems::Code, request::Command, schemas};

/// The confirmation of a registration.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "ana.1772366400.k2Jx7m0Qp4sT9vWzY1bC3d.5f0c3a9f4f7f7b1f6a5f2c0f9f1d2e3c" }))]
pub(crate) struct ConfirmRegistration {
    /// The token at the end of the link.
    #[schema(value_type = schemas::LinkToken)]
    #[eserde(compat)]
    token: LinkToken,
    /// Another nickname, if that of the registration was taken in the meantime.
    #[schema(value_type = Option<schemas::Nickname>)]
    #[serde(default)]
    #[eserde(compat)]
    nickname: Option<Nickname>,
}

/// Confirms a registration
///
/// Registers the user who got the link. A taken nickname changes nothing: repeat the request with another one. A repeat
/// gets the same answer.
#[utoipa::path(post, path = "/users/confirmations", tag = "users", request_body = ConfirmRegistration)]
pub(crate) async fn confirm_registration(
    State(app): State<App>,
    Command { body, stamp }: Command<ConfirmRegistration>,
) -> Result<Created, Error> {
    let now = clock::now();
    let Link { user_id, nonce, .. } = Link::verify(&body.token, &app.secret, now).ok_or(Code::InvalidConfirmation)?;
    app.nicknames.claimed().await?;
    let stored = app.accounts.get(&user_id).await?.ok_or(Code::InvalidConfirmation)?;
    let waits = stored.account.confirmation.clone().filter(|waits| waits.nonce == nonce && now < waits.expires_at);
    if waits.is_none() && stored.account.confirmed.as_ref() != Some(&nonce) {
        return Err(Code::InvalidConfirmation.into());
    }
    let nickname = match (body.nickname, waits) {
        (Some(nickname), _) => Some(nickname),
        (None, Some(waits)) => Some(Nickname::try_from(waits.nickname).map_err(|_| Code::InvalidConfirmation)?),
        (None, None) => None,
    };
    let (user, version) = app.users.load_latest(&user_id).await?;
    let created = match nickname.filter(|_| !user.is_taken()) {
        Some(nickname) => {
            let command = UserCommand::RegisterUser { user_id: user_id.clone(), nickname };
            match app.users.execute(&user_id, command, stamp.by(&user_id)).await {
                // Concurrent repeats, one of which has registered the user.
                Err(CommandError::Refused(UserRefusal::UserExists)) => return Err(Error::contended()),
                result => {
                    let committed = result?;
                    if !committed.replayed {
                        METRICS.registrations.inc();
                    }
                    Created::of(&committed, &user_id)
                }
            }
        }
        None if user.is_erased() => return Err(Code::InvalidConfirmation.into()),
        None => Created::replayed(registration::position(&app, version), &user_id),
    };
    registration::confirm(&app, &user_id, stored).await?;
    Ok(created)
}
