//! `PUT` and `DELETE /users/me/blocks/{user}`

use axum::extract::State;
use domain::UserCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::UserPath, problems::Code, request::BareCommand};

/// Blocks a user
///
/// What a blocked user writes is marked, and causes no alarms and no push messages. The blocked user does not learn it.
/// At most 500 users can be blocked.
#[utoipa::path(put, path = "/users/me/blocks/{user}", tag = "users", params(UserPath))]
pub(crate) async fn block_user(
    State(app): State<App>,
    AsUser(caller): AsUser,
    Path(UserPath { user_id }): Path<UserPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    if user_id == caller {
        return Err(Code::CannotBlockYourself.into());
    }
    let committed = app.users.execute(&caller, UserCommand::BlockUser { user_id }, stamp.by(&caller)).await?;
    Ok(Done::of(&committed))
}

/// Unblocks a user
#[utoipa::path(delete, path = "/users/me/blocks/{user}", tag = "users", params(UserPath))]
pub(crate) async fn unblock_user(
    State(app): State<App>,
    AsUser(caller): AsUser,
    Path(UserPath { user_id }): Path<UserPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let committed = app.users.execute(&caller, UserCommand::UnblockUser { user_id }, stamp.by(&caller)).await?;
    Ok(Done::of(&committed))
}
