//! `POST /users/confirmations`

use axum::extract::State;
use credentials::{Confirmation, StoredAccount};
use domain::{UserCommand, UserId, UserRefusal, values::Nickname};
use eserde::Deserialize;
use event_store::CommandError;
use service_kit::clock;
use utoipa::ToSchema;

use super::{
    confirmation::{Link, LinkToken},
    registration,
};
use crate::{
    answer::Created, app::App, error::Error, metrics::METRICS, problems::Code, request::Command, schemas, stamp::Stamp,
};

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
    let is_confirmed = stored.account.confirmed.as_ref() == Some(&nonce);
    let waits = stored.account.confirmation.clone().filter(|waits| waits.nonce == nonce && now < waits.expires_at);
    let (user, version) = app.users.load_latest(&user_id).await?;
    match waits {
        Some(waits) if !user.is_taken() => {
            let nickname = match body.nickname {
                Some(nickname) => nickname,
                None => Nickname::try_from(waits.nickname.clone()).map_err(|_| Code::InvalidConfirmation)?,
            };
            if app.text_filter.refuses_nickname(&nickname).await? {
                return Err(Code::RefusedByFilter.into());
            }
            let command = UserCommand::RegisterUser { user_id: user_id.clone(), nickname };
            register(&app, &user_id, (stored, waits), command, &stamp).await
        }
        _ if user.is_erased() => Err(Code::InvalidConfirmation.into()),
        None if !is_confirmed => Err(Code::InvalidConfirmation.into()),
        // A repeat, which completes a confirmation that a crash interrupted.
        _ => {
            registration::confirm(&app, &user_id, stored).await?;
            Ok(Created::replayed(registration::position(&app, version), &user_id))
        }
    }
}

/// Registers the user of an account that waits for its confirmation. The account has no lifetime meanwhile: it must not
/// be removed after the user is in the log.
async fn register(
    app: &App,
    user_id: &UserId,
    (stored, waits): (StoredAccount, Confirmation),
    command: UserCommand,
    stamp: &Stamp,
) -> Result<Created, Error> {
    let kept = app.accounts.keep(stored).await?;
    match app.users.execute(user_id, command, stamp.by(user_id)).await {
        Err(error) if certainly_not_stored(&error) => {
            app.accounts.await_confirmation(kept, waits, clock::now()).await?;
            Err(error.into())
        }
        result => {
            let committed = result?;
            registration::confirm(app, user_id, kept).await?;
            if !committed.replayed {
                METRICS.registrations.inc();
            }
            Ok(Created::of(&committed, user_id))
        }
    }
}

/// Returns true if the user is certainly not registered after this error, also not by another request.
fn certainly_not_stored(error: &CommandError<UserRefusal>) -> bool {
    match error {
        CommandError::Refused(UserRefusal::NicknameTaken)
        | CommandError::Contended
        | CommandError::Full(_)
        | CommandError::Damaged { .. } => true,
        CommandError::Unavailable { outcome_unknown, .. } => !outcome_unknown,
        _ => false,
    }
}
