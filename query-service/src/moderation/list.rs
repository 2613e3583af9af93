//! `GET /moderation/users`: the newest first, or by the beginnings of nicknames.

use axum::Json;
use domain::UserId;
use serde::{Deserialize, Serialize};
use service_kit::{auth::AsModerator, extract::Query};
use sqlx::{PgConnection, query_as};
use utoipa::{IntoParams, ToSchema};

use crate::{
    cursor::{self, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    views::{ModeratedUserRow, ModeratedUserView},
};

/// The names of the lists in cursors.
const NEWEST: &str = "moderated_users";
const BY_NICKNAME: &str = "moderated_users_by_nickname";

/// The maximum length of the beginning of a nickname, in characters.
const MAX_BEGINNING: usize = 40;

/// The state of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum UserState {
    /// Neither suspended nor erased.
    Active,
    /// Suspended now.
    Suspended,
    /// Erased.
    Erased,
}

/// The query of `GET /moderation/users`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListModeratedUsers {
    /// Returns only users in this state.
    #[param(inline)]
    state: Option<UserState>,
    /// Returns only users whose nickname begins with this text, without regard to the case of ASCII letters, in
    /// alphabetical order.
    #[param(value_type = Option<String>, min_length = 1, max_length = 40)]
    nickname: Option<Beginning>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = crate::schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// The beginning of a nickname.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Beginning(String);

impl TryFrom<String> for Beginning {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let is_valid = (1..=MAX_BEGINNING).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if is_valid { Ok(Self(text)) } else { Err("must be 1 to 40 characters, without control characters") }
    }
}

/// Lists users with their suspensions, for moderators and operators.
#[utoipa::path(
    get, path = "/moderation/users", tag = "moderation", operation_id = "list_moderated_users",
    params(ListModeratedUsers, MinPosition),
    responses((status = 200, description = "A page of users", body = Page<ModeratedUserView>), ListProblems)
)]
pub(crate) async fn list_users(
    _: AsModerator,
    Query(query): Query<ListModeratedUsers>,
    mut reader: Reader,
) -> Result<Json<Page<ModeratedUserView>>, Error> {
    let ListModeratedUsers { state, nickname, limit, cursor } = query;
    let cursor = cursor.as_deref();
    let page = if let Some(Beginning(beginning)) = nickname {
        let rows = by_nickname(&mut reader, state, &beginning, cursor::decode(BY_NICKNAME, cursor)?, limit).await?;
        Page::cut(rows, limit, BY_NICKNAME, |last| (last.name.clone().unwrap_or_default(), last.user_id.clone()))
    } else {
        let rows = newest(&mut reader, state, cursor::decode(NEWEST, cursor)?, limit).await?;
        Page::cut(rows, limit, NEWEST, |last| (Moment(last.registered_at), last.user_id.clone()))
    };
    let Page { items, next } = page;
    Ok(Json(Page { items: items.into_iter().map(Into::into).collect(), next }))
}

async fn newest(
    connection: &mut PgConnection,
    state: Option<UserState>,
    after: Option<(Moment, UserId)>,
    limit: Limit,
) -> Result<Vec<ModeratedUserRow>, sqlx::Error> {
    query_as!(
        ModeratedUserRow,
        r#"
        select
            user_id as "user_id!",
            nickname,
            registered_at as "registered_at!",
            case when suspended_until is null or suspended_until > now() then suspended_at end as suspended_at,
            suspended_until,
            suspension_reason,
            lower(nickname) as name
        from (
            -- a branch for each index: the conditions on parameters alone switch off those that do not apply
            (
                select u.* from users u
                where ($1::text is null or $1 = 'active')
                    and (
                        $1 is null
                        or u.nickname is not null and (u.suspended_at is null or u.suspended_until <= now())
                    )
                    and u.registered_at <= $2 and (u.registered_at < $2 or u.user_id > $3)
                order by u.registered_at desc, u.user_id
                limit $4
            )
            union all
            (
                select u.* from users u
                where $1 = 'suspended' and u.suspended_at is not null
                    and (u.suspended_until is null or u.suspended_until > now())
                    and u.registered_at <= $2 and (u.registered_at < $2 or u.user_id > $3)
                order by u.registered_at desc, u.user_id
                limit $4
            )
            union all
            (
                select u.* from users u
                where $1 = 'erased' and u.nickname is null
                    and u.registered_at <= $2 and (u.registered_at < $2 or u.user_id > $3)
                order by u.registered_at desc, u.user_id
                limit $4
            )
        ) as found
        order by registered_at desc, user_id
        limit $4
        "#,
        state as Option<UserState>,
        after.as_ref().map_or(Moment::LAST.0, |(registered_at, _)| registered_at.0),
        after.as_ref().map_or("", |(_, user_id)| user_id.as_str()),
        limit.rows(),
    )
    .fetch_all(connection)
    .await
}

/// Erased users have no nickname, so this lists none of them.
async fn by_nickname(
    connection: &mut PgConnection,
    state: Option<UserState>,
    beginning: &str,
    after: Option<(String, UserId)>,
    limit: Limit,
) -> Result<Vec<ModeratedUserRow>, sqlx::Error> {
    let (name, user_id) = after.map_or_else(Default::default, |(name, user_id)| (name, user_id.to_string()));
    query_as!(
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
        where nickname is not null
            and lower(nickname) ~>=~ lower($1)
            and lower(nickname) ~<~ (lower($1) || $2)
            and lower(nickname) ~>=~ $3
            and (lower(nickname) ~>~ $3 or user_id > $4)
            and ($5::text is null or $5 <> 'erased'
                and ($5 = 'suspended')
                    = (suspended_at is not null and (suspended_until is null or suspended_until > now())))
        order by lower(nickname) using ~<~, user_id
        limit $6
        "#,
        beginning,
        // After every text with this beginning.
        "\u{10FFFF}",
        name,
        user_id,
        state as Option<UserState>,
        limit.rows(),
    )
    .fetch_all(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_has_1_to_40_characters() {
        for good in ["a", "Ä", &"x".repeat(40)] {
            assert!(Beginning::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\0", &"x".repeat(41)] {
            assert!(Beginning::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
