//! `GET /moderation/users/{user}`.

use axum::Json;
use service_kit::{
    auth::AsModerator,
    extract::{Path, Query},
};
use sqlx::query_as;

use crate::{
    error::Error,
    page::NoParameters,
    position::MinPosition,
    problems::UserProblems,
    reader::Reader,
    users::UserPath,
    views::{ModeratedUserRow, ModeratedUserView},
};

/// Returns one user with the suspension, for moderators and operators.
#[utoipa::path(
    get, path = "/moderation/users/{user}", tag = "moderation", operation_id = "show_moderated_user",
    params(UserPath, MinPosition),
    responses((status = 200, description = "The user", body = ModeratedUserView), UserProblems)
)]
pub(crate) async fn show_user(
    _: AsModerator,
    Path(path): Path<UserPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<ModeratedUserView>, Error> {
    let row = query_as!(
        ModeratedUserRow,
        r#"
        select
            user_id,
            nickname,
            registered_at,
            case when suspended_until is null or suspended_until > now() then suspended_at end as suspended_at,
            suspended_until,
            suspension_reason,
            lower(nickname) as name
        from users
        where user_id = $1
        "#,
        path.user_id.as_str(),
    )
    .fetch_optional(&mut *reader)
    .await?;
    row.map(|row| Json(row.into())).ok_or(Error::UserNotFound)
}
