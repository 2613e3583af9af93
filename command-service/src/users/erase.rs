//! `DELETE /users/me`

use axum::extract::State;
use credentials::AccountError;
use domain::{UserCommand, UserId, UserRefusal};
use event_store::{CommandContext, CommandError};
use service_kit::auth::AsUser;
use sign_in::sign_out;

use crate::{answer::Done, app::App, error::Error, request::BareCommand};

/// The maximum number of attempts to delete an account against concurrent changes.
const ATTEMPTS: usize = 8;

/// Erases the caller for good
///
/// The account and the nickname are released, and every session ends; the user id stays taken.
#[utoipa::path(delete, path = "/users/me", tag = "users")]
pub(crate) async fn erase_user(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    erase(&app, &user_id, stamp.by(&user_id)).await
}

/// Erases a user, and deletes the data beside the log.
pub(crate) async fn erase(app: &App, user_id: &UserId, context: CommandContext) -> Result<Done, Error> {
    let committed = app.users.execute(user_id, UserCommand::EraseUser, context).await;
    // A repeat completes an erasure that a crash interrupted.
    let was_erased = match &committed {
        Ok(_) => true,
        Err(CommandError::Refused(UserRefusal::UserNotFound)) => app.users.load(user_id).await?.0.is_erased(),
        Err(_) => false,
    };
    if was_erased {
        delete_data(app, user_id).await?;
    }
    Ok(Done::of(&committed?))
}

/// Deletes the data of an erased user beside the log: the account and the sessions. May be repeated.
pub(crate) async fn delete_data(app: &App, user_id: &UserId) -> Result<(), Error> {
    delete_account(app, user_id).await?;
    Ok(sign_out::end_all(app.session_stores(), "user", user_id).await?)
}

async fn delete_account(app: &App, user_id: &UserId) -> Result<(), AccountError> {
    for _ in 0..ATTEMPTS {
        let Some(stored) = app.accounts.get(user_id).await? else { return Ok(()) };
        match app.accounts.delete(user_id, stored.revision).await {
            Err(AccountError::Conflict) => {}
            result => return result,
        }
    }
    Err(AccountError::Conflict)
}
