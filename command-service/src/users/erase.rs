//! `DELETE /users/me`

use axum::extract::State;
use chrono::TimeDelta;
use credentials::AccountError;
use domain::{UserCommand, UserId, UserRefusal};
use eserde::Deserialize;
use event_store::{CommandContext, CommandError};
use service_kit::{auth::Caller, clock, http::ClientAddress};
use sign_in::{AccountPassword, sign_out};
use utoipa::ToSchema;

use crate::{
    answer::Done, app::App, error::Error, login_throttle::ThrottleKey, passwords::Work, problems::Code,
    request::OptionalBodyCommand, schemas,
};

/// The maximum number of attempts to delete an account against concurrent changes.
const ATTEMPTS: usize = 8;

/// The role of the erased accounts.
const ROLE: &str = "user";

/// The time after a sign-in within which its tokens can erase the user.
const RECENT: TimeDelta = TimeDelta::minutes(5);

/// The proof that the user, and not only a holder of the token, wants the erasure.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "password": "correct horse" }))]
pub(crate) struct EraseUser {
    /// The account's password. Not needed within five minutes of a sign-in. With an external issuer it has no effect.
    #[schema(value_type = Option<schemas::AccountPassword>)]
    #[serde(default)]
    #[eserde(compat)]
    password: Option<AccountPassword>,
}

/// Erases the caller for good
///
/// The account and the nickname are released, and every session ends; the user id stays taken. Requires the password,
/// or a token from a sign-in of at most five minutes ago (`auth_time`, or else `iat`, of an external issuer's token).
#[utoipa::path(delete, path = "/users/me", tag = "users", request_body = Option<EraseUser>)]
pub(crate) async fn erase_user(
    State(app): State<App>,
    caller: Caller,
    address: ClientAddress,
    OptionalBodyCommand { body, stamp }: OptionalBodyCommand<EraseUser>,
) -> Result<Done, Error> {
    caller.require_user()?;
    let user_id = &caller.user_id;
    // The account of a user who is erased already may be deleted.
    if !app.users.load_latest(user_id).await?.0.is_erased() {
        require_proof(&app, &caller, body.password, address).await?;
    }
    erase(&app, user_id, stamp.by(user_id)).await
}

/// Erases a user, and deletes the data beside the log.
pub(crate) async fn erase(app: &App, user_id: &UserId, context: CommandContext) -> Result<Done, Error> {
    let committed = app.users.execute(user_id, UserCommand::EraseUser, context).await;
    // A repeat completes an erasure that a crash interrupted.
    if matches!(committed, Ok(_) | Err(CommandError::Refused(UserRefusal::UserNotFound))) {
        delete_data(app, user_id).await?;
    }
    Ok(Done::of(&committed?))
}

/// Checks the password if there is one and the accounts are here, else the age of the sign-in.
async fn require_proof(
    app: &App,
    caller: &Caller,
    password: Option<AccountPassword>,
    address: ClientAddress,
) -> Result<(), Error> {
    match password.filter(|_| app.signing.is_some()) {
        Some(password) => {
            let stored = app.accounts.get(&caller.user_id).await?;
            let stored = stored.filter(|stored| stored.account.role == ROLE);
            let hash = stored.as_ref().map(|stored| stored.account.password_hash.as_str());
            let throttle_key = ThrottleKey::account(&app.secret, &caller.user_id, address);
            let check = app.passwords.matches(Work::SignIn(address), password, hash);
            let is_correct = app.login_throttle.check(&throttle_key, check).await?;
            if is_correct { Ok(()) } else { Err(Code::WrongCredentials.into()) }
        }
        None if caller.has_authenticated_within(RECENT, clock::now()) => Ok(()),
        None => Err(Code::RecentSignInNeeded.into()),
    }
}

/// Deletes the data of an erased user beside the log: the account and the sessions. May be repeated.
pub(crate) async fn delete_data(app: &App, user_id: &UserId) -> Result<(), Error> {
    delete_account(app, user_id).await?;
    Ok(sign_out::end_all(app.session_stores(), ROLE, user_id).await?)
}

async fn delete_account(app: &App, user_id: &UserId) -> Result<(), AccountError> {
    for _ in 0..ATTEMPTS {
        let stored = app.accounts.get(user_id).await?;
        // An operator may have the same id.
        let Some(stored) = stored.filter(|stored| stored.account.role == ROLE) else { return Ok(()) };
        match app.accounts.delete(user_id, stored.revision).await {
            Err(AccountError::Conflict) => {}
            result => return result,
        }
    }
    Err(AccountError::Conflict)
}
