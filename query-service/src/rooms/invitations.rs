//! `GET /rooms/{room}/invitations`: the valid invitations, in the order of their creation.

use axum::Json;
use service_kit::{
    auth::AsUser,
    extract::{Path, Query},
};
use sqlx::query_as;

use crate::{
    error::Error,
    page::NoParameters,
    position::MinPosition,
    problems::InvitationProblems,
    reader::Reader,
    rooms::{RoomPath, access::require_moderator},
    views::InvitationView,
};

/// Lists the valid invitations to an open room, at most ten, for the host and the co-hosts only.
#[utoipa::path(
    get, path = "/rooms/{room}/invitations", tag = "rooms", operation_id = "list_room_invitations",
    params(RoomPath, MinPosition),
    responses((status = 200, description = "The invitations", body = Vec<InvitationView>), InvitationProblems)
)]
pub(crate) async fn list_invitations(
    AsUser(user_id): AsUser,
    Path(path): Path<RoomPath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<Vec<InvitationView>>, Error> {
    require_moderator(&mut reader, &path.room_id, &user_id).await?;
    let invitations = query_as!(
        InvitationView,
        r#"
        select
            one.number::text as "invitation!",
            one.by as "by!",
            one.max_uses as "max_uses!",
            one.uses as "uses!",
            one.created_at as "created_at!",
            one.expires_at as "expires_at!"
        from rooms r
        cross join lateral jsonb_to_recordset(r.invitations) as one (
            number int, by text, max_uses int, uses int, created_at timestamptz, expires_at timestamptz
        )
        where r.box_id = $1 and r.room_id = $2 and r.status = 'open'
            and one.uses < one.max_uses and one.expires_at > now()
        order by one.number
        "#,
        path.room_id.box_id().as_str(),
        path.room_id.to_string(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(invitations))
}
