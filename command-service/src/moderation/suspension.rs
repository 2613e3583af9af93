//! `PUT /users/{user}/suspension` and `PUT /users/{user}/reinstatement`

use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{UserCommand, UserId, values::Reason};
use eserde::Deserialize;
use service_kit::{
    auth::{AsModerator, Caller, Role},
    extract::{Path, invalid_field},
};
use sign_in::sign_out;
use utoipa::ToSchema;

use super::Reasoned;
use crate::{
    answer::Done, app::App, error::Error, paths::UserPath, problems::Code, request::Command, schemas, stamp::Stamp,
};

/// The longest suspension with an end.
const MAX_SUSPENSION: TimeDelta = TimeDelta::days(3660);

/// A suspension.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "Advertising, reported by three members", "until": null }))]
pub(crate) struct SuspendUser {
    /// The reason, which is kept in the audit trail for good. It should contain no personal data.
    #[schema(value_type = schemas::Reason)]
    #[eserde(compat)]
    reason: Reason,
    /// The end of the suspension: a time in the next ten years. Absent for one without an end.
    #[serde(default)]
    #[eserde(compat)]
    until: Option<DateTime<Utc>>,
}

impl SuspendUser {
    fn check_end(&self, stamp: &Stamp) -> Result<(), Error> {
        let is_valid = self.until.is_none_or(|until| stamp.at < until && until <= stamp.at + MAX_SUSPENSION);
        let detail = "must be a time in the next ten years";
        if is_valid { Ok(()) } else { Err(invalid_field("/until", detail).into()) }
    }
}

/// Suspends a user, or changes the end of a suspension
///
/// The sessions, tokens and live connections of the user end within seconds. The user cannot sign in, and can neither
/// join, open nor post. The user's open rooms pass to the longest-standing member, and close if they are empty.
/// Operators may suspend moderators as well.
#[utoipa::path(
    put, path = "/users/{user}/suspension", tag = "moderation", params(UserPath), request_body = SuspendUser
)]
pub(crate) async fn suspend_user(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(UserPath { user_id }): Path<UserPath>,
    Command { body, stamp }: Command<SuspendUser>,
) -> Result<Done, Error> {
    body.check_end(&stamp)?;
    let role = role_of_target(&app, &caller, &user_id).await?;
    let context = super::context(&app, &caller, body.reason, &stamp).await?;
    let is_moderator = role == Role::Moderator;
    let command = UserCommand::SuspendUser { until: body.until, is_moderator, at: stamp.at };
    let committed = app.users.execute(&user_id, command, context).await?;
    // The user may have been reinstated since the first execution of a repeated command.
    if !committed.replayed || app.users.load_latest(&user_id).await?.0.is_suspended(stamp.at) {
        end_sessions(&app, &user_id).await?;
    }
    Ok(Done::of(&committed))
}

/// Ends the suspension of a user
///
/// The user signs in again, and does not return to former rooms. Operators may reinstate moderators as well.
#[utoipa::path(
    put, path = "/users/{user}/reinstatement", tag = "moderation", params(UserPath), request_body = Reasoned
)]
pub(crate) async fn reinstate_user(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(UserPath { user_id }): Path<UserPath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<Done, Error> {
    role_of_target(&app, &caller, &user_id).await?;
    let context = super::context(&app, &caller, body.reason, &stamp).await?;
    let committed = app.users.execute(&user_id, UserCommand::ReinstateUser, context).await?;
    Ok(Done::of(&committed))
}

/// Returns the role of the suspended account. Rejects a caller who may not suspend it. The roles of an external issuer
/// are known by its tokens only, so every id counts as that of a user.
async fn role_of_target(app: &App, caller: &Caller, user_id: &UserId) -> Result<Role, Error> {
    if *user_id == caller.user_id {
        return Err(Code::CannotSuspendYourself.into());
    }
    match account_role(app, user_id).await? {
        Role::Operator => Err(Error::detailed(Code::Forbidden, "operators cannot be suspended")),
        Role::Moderator if caller.role != Role::Operator => {
            Err(Error::detailed(Code::Forbidden, "only operators may suspend moderators"))
        }
        role => Ok(role),
    }
}

async fn account_role(app: &App, user_id: &UserId) -> Result<Role, Error> {
    if app.signing.is_none() {
        return Ok(Role::User);
    }
    let account = app.accounts.get(user_id).await?;
    Ok(account.and_then(|stored| Role::named(&stored.account.role, None)).unwrap_or(Role::User))
}

/// Ends the sessions of a suspended user or moderator, and refuses the tokens issued so far. May be repeated.
pub(crate) async fn end_sessions(app: &App, user_id: &UserId) -> Result<(), Error> {
    let role = account_role(app, user_id).await?;
    Ok(sign_out::end_all(app.session_stores(), role.name(), user_id).await?)
}
