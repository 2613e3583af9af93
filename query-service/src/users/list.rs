//! `GET /users`: some users by their ids.

use std::collections::BTreeSet;

use axum::Json;
use domain::UserId;
use serde::{Deserialize, Serialize};
use service_kit::{auth::AsPerson, extract::Query};
use sqlx::query_as;
use utoipa::{IntoParams, ToSchema};

use crate::{error::Error, position::MinPosition, problems::ReadProblems, reader::Reader, schemas, views::UserView};

/// The maximum number of ids of one request.
pub(crate) const MAX_IDS: usize = 100;

/// The query of `GET /users`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    /// The ids of the users.
    #[param(schema_with = schemas::user_ids, required = true)]
    ids: UserIds,
}

/// Different user ids, written with commas between them.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct UserIds(BTreeSet<UserId>);

impl TryFrom<String> for UserIds {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let refused = "must be 1 to 100 user ids, separated by commas";
        let ids = text.split(',').map(str::parse).collect::<Result<BTreeSet<UserId>, _>>().map_err(|_| refused)?;
        if ids.len() <= MAX_IDS { Ok(Self(ids)) } else { Err(refused) }
    }
}

/// Some users.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Users {
    /// The users, in the order of their ids. Unknown ids are left out.
    items: Vec<UserView>,
}

/// Returns some users by their ids, for every signed-in user.
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "list_users",
    params(ListUsers, MinPosition),
    responses((status = 200, description = "The users", body = Users), ReadProblems)
)]
pub(crate) async fn list_users(
    _: AsPerson,
    Query(ListUsers { ids: UserIds(ids) }): Query<ListUsers>,
    mut reader: Reader,
) -> Result<Json<Users>, Error> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let items = query_as!(
        UserView,
        r#"
        select user_id, nickname, nickname is null as "erased!"
        from users
        where user_id = any($1)
        order by user_id
        "#,
        &ids,
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Users { items }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_1_to_100_and_well_formed() {
        assert_eq!(UserIds::try_from("ana,ben,ana".to_owned()).unwrap().0.len(), 2);
        let many = |count: usize| (0..count).map(|n| format!("u{n}")).collect::<Vec<_>>().join(",");
        assert!(UserIds::try_from(many(MAX_IDS)).is_ok());
        for bad in [String::new(), ",".to_owned(), "ana,".to_owned(), "Ana".to_owned(), many(MAX_IDS + 1)] {
            assert!(UserIds::try_from(bad.clone()).is_err(), "{bad}");
        }
    }
}
