//! Who may read at all, by their role; what of a room they may read is decided where it is read.

use axum::{extract::FromRequestParts, http::request::Parts};
use service_kit::{auth::Caller, problem::Problem};

use crate::app::App;

/// A user: only they have rooms, alarms and a name. The ids of operators and boxes are names of their own, and a user may
/// be called the same.
pub(crate) struct AsUser(pub(crate) Caller);

/// Somebody who looks around: a user, or who looks after boxes and stores. A box only reports.
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
