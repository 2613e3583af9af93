//! Extractors that check the caller's role. Access to a room's contents is checked where they are read.

use axum::{extract::FromRequestParts, http::request::Parts};
use service_kit::{auth::Caller, problem::Problem};

use crate::app::App;

/// The caller, who must be a user: only users have rooms, alarms and a name. Ids of operators and boxes are separate
/// names, which a user may have too.
pub(crate) struct AsUser(pub(crate) Caller);

/// Checks that the caller is a person: a user, or an operator of boxes and stores. A box may only report.
pub(crate) struct AsPerson;

impl FromRequestParts<App> for AsUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.require_user()?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<App> for AsPerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, app).await?.require_person().map(|()| Self)
    }
}
