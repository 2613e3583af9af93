//! The visibility of private boxes and their rooms: for the users that an operator has allowed, for moderators and for
//! operators.

use domain::BoxId;
use service_kit::auth::Caller;
use sqlx::{PgConnection, query_scalar};

use crate::error::Error;

/// Returns the user whose private boxes a list shows, or none for a moderator or operator, who sees all.
pub(crate) fn viewer(caller: &Caller) -> Option<String> {
    caller.require_user().is_ok().then(|| caller.user_id.to_string())
}

/// Returns the error for a box or a room that was not found among those that the caller may see.
pub(crate) async fn not_visible(
    connection: &mut PgConnection,
    box_id: &BoxId,
    not_found: Error,
) -> Result<Error, sqlx::Error> {
    let exists = query_scalar!(
        r#"select exists (select from boxes where box_id = $1 and kind = 'private') as "exists!""#,
        box_id.as_str()
    );
    Ok(if exists.fetch_one(connection).await? { Error::PrivateBox } else { not_found })
}
