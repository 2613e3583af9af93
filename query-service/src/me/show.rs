//! `GET /me`.

use axum::Json;
use service_kit::{auth::AsUser, extract::Query};
use sqlx::query_as;

use crate::{
    error::Error,
    page::NoParameters,
    position::MinPosition,
    problems::MeProblems,
    reader::Reader,
    views::{Devices, MeView, Preferences, QuietHours},
};

/// Returns the caller's account.
#[utoipa::path(
    get, path = "/me", tag = "me", operation_id = "show_me",
    params(MinPosition),
    responses((status = 200, description = "The account", body = MeView), MeProblems)
)]
pub(crate) async fn show_me(
    AsUser(user_id): AsUser,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<MeView>, Error> {
    query_as!(
        MeView,
        r#"
        select
            user_id,
            nickname as "nickname!",
            registered_at,
            notification_preferences as "notification_preferences: Preferences",
            quiet_hours as "quiet_hours: QuietHours",
            share_read_markers,
            (
                select coalesce(
                    jsonb_agg(
                        jsonb_build_object(
                            'device_id', d.device_id,
                            'provider', d.provider,
                            'locale', d.locale,
                            'registered_at', d.registered_at
                        )
                        order by d.device_id
                    ),
                    '[]'
                )
                from devices d
                where d.user_id = u.user_id
            ) as "devices!: Devices"
        from users u
        -- an erased user is nobody any more
        where user_id = $1 and nickname is not null
        "#,
        user_id.as_str(),
    )
    .fetch_optional(&mut *reader)
    .await?
    .map(Json)
    .ok_or(Error::UserNotFound)
}
