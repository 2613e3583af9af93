//! `GET /users/{user}`.

use axum::Json;
use service_kit::{
    auth::AsPerson,
    extract::{Path, Query},
};
use sqlx::query_as;

use crate::{
    error::Error, page::NoParameters, position::MinPosition, problems::UserProblems, reader::Reader, users::UserPath,
    views::UserView,
};

/// Returns one user, for every signed-in user.
#[utoipa::path(
    get, path = "/users/{user}", tag = "users", operation_id = "show_user",
    params(UserPath, MinPosition),
    responses((status = 200, description = "The user", body = UserView), UserProblems)
)]
pub(crate) async fn show_user(
    _: AsPerson,
    Path(path): Path<UserPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<UserView>, Error> {
    query_as!(
        UserView,
        r#"select user_id, nickname, nickname is null as "erased!" from users where user_id = $1"#,
        path.user_id.as_str(),
    )
    .fetch_optional(&mut *reader)
    .await?
    .map(Json)
    .ok_or(Error::UserNotFound)
}
