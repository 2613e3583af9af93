//! `PUT /users/{user}/erasure`

use axum::extract::State;
use service_kit::{auth::AsOperator, extract::Path};

use super::Reasoned;
use crate::{answer::Done, app::App, error::Error, paths::UserPath, problems::Code, request::Command, users::erase};

/// Erases a user for good
///
/// This is the same as the user's own `DELETE /users/me`.
#[utoipa::path(
    put, path = "/users/{user}/erasure", tag = "moderation", params(UserPath), request_body = Reasoned
)]
pub(crate) async fn erase_any_user(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(UserPath { user_id }): Path<UserPath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    // An id that was never registered is not taken by the erasure.
    if !app.users.load_latest(&user_id).await?.0.is_taken() {
        return Err(Code::UserNotFound.into());
    }
    erase::erase(&app, &user_id, stamp.of_operator(&operator, body.reason)).await
}
