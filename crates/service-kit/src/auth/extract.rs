//! Extractors of the caller. Access to a room's contents is checked where they are read.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use domain::UserId;

use super::{
    caller::{Caller, invalid_token, unauthorized},
    verifier::Verifier,
};
use crate::problem::Problem;

/// A signed-in user: only users have rooms, alarms and a name. Ids of operators, moderators and boxes are separate
/// names, which a user may have too.
#[derive(Debug, Clone)]
pub struct AsUser(pub UserId);

/// A signed-in operator.
#[derive(Debug, Clone)]
pub struct AsOperator(pub UserId);

/// A signed-in moderator or operator.
#[derive(Debug, Clone)]
pub struct AsModerator(pub Caller);

/// A signed-in user, operator or moderator. A box may only report.
#[derive(Debug, Clone)]
pub struct AsPerson(pub Caller);

/// The result of verifying a request's token before its handler runs.
#[derive(Clone)]
pub(crate) struct Authenticated(pub(crate) Result<Caller, Problem>);

impl<S> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(Authenticated(caller)) = parts.extensions.get() {
            return caller.clone();
        }
        let missing = || unauthorized("missing-token", "This request needs an access token");
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let header = headers.next().ok_or_else(missing)?;
        // A proxy may have checked the other one.
        if headers.next().is_some() {
            return Err(invalid_token());
        }
        let header = header.to_str().map_err(|_| invalid_token())?;
        let (scheme, token) = header.split_once(' ').ok_or_else(invalid_token)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid_token());
        }
        Verifier::from_ref(state).check(token.trim()).await
    }
}

impl<S> FromRequestParts<S> for AsUser
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require_user()?;
        Ok(Self(caller.user_id))
    }
}

impl<S> FromRequestParts<S> for AsOperator
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require_operator()?;
        Ok(Self(caller.user_id))
    }
}

impl<S> FromRequestParts<S> for AsModerator
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require_moderator()?;
        Ok(Self(caller))
    }
}

impl<S> FromRequestParts<S> for AsPerson
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require_person()?;
        Ok(Self(caller))
    }
}
