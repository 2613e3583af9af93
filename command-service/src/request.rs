//! Extractors of commands: the body, and the stamp that identifies the command and its repeats.

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::request::Parts,
};
use eserde::EDeserialize;
use service_kit::extract::{Json, body_error};

use crate::{
    app::App,
    error::Error,
    stamp::{self, Stamp},
};

/// A command with a JSON body.
pub(crate) struct Command<T> {
    /// The parsed body.
    pub(crate) body: T,
    /// Its identity.
    pub(crate) stamp: Stamp,
}

/// A command with an optional JSON body: absent, or null.
pub(crate) struct OptionalBodyCommand<T> {
    /// The parsed body, or the default.
    pub(crate) body: T,
    /// Its identity.
    pub(crate) stamp: Stamp,
}

/// A command without a body. The hash that identifies repeats covers the bytes of a body all the same.
pub(crate) struct BareCommand(pub(crate) Stamp);

impl<T: for<'de> EDeserialize<'de>> FromRequest<App> for Command<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let (parts, bytes, stamp) = read(request, app).await?;
        let Json(body) = Json::from_request(Request::from_parts(parts, Body::from(bytes)), app).await?;
        Ok(Self { body, stamp })
    }
}

impl<T: for<'de> EDeserialize<'de> + Default> FromRequest<App> for OptionalBodyCommand<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let (parts, bytes, stamp) = read(request, app).await?;
        if bytes.is_empty() {
            return Ok(Self { body: T::default(), stamp });
        }
        let Json(body) = Json::<Option<T>>::from_request(Request::from_parts(parts, Body::from(bytes)), app).await?;
        Ok(Self { body: body.unwrap_or_default(), stamp })
    }
}

impl FromRequest<App> for BareCommand {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        read(request, app).await.map(|(_, _, stamp)| Self(stamp))
    }
}

async fn read(request: Request, app: &App) -> Result<(Parts, Bytes, Stamp), Error> {
    let (parts, body) = request.into_parts();
    let key = stamp::idempotency_key(&parts.headers)?;
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await;
    let bytes = bytes.map_err(|rejection| body_error(&rejection))?;
    let request_hash = app.secret.hash(&[parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &bytes]);
    let stamp = Stamp::new(key, request_hash, &parts.headers);
    Ok((parts, bytes, stamp))
}
