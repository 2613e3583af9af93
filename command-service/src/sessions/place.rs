//! Where a client keeps its refresh token: itself or, as a web page, in a cookie that scripts cannot read.
//!
//! `Boxroom-Session: cookie` chooses the cookie. A page of another origin cannot send this header unless CORS permits
//! it, and browsers send the cookie only with requests of the same site.

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::AppendHeaders,
};
use chrono::TimeDelta;
use service_kit::extract::invalid_field;

use super::refresh_token::{RefreshToken, RefreshTokenText};
use crate::{error::Error, problems::Code};

/// The header that chooses the place.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("boxroom-session");

const COOKIE: &str = "boxroom_session";

/// What the cookie is for: only requests that begin, refresh or end a session. Browsers treat `http` on the own machine
/// as secure.
const ATTRIBUTES: &str = "Path=/sessions; HttpOnly; Secure; SameSite=Strict";

/// The place of a refresh token.
#[derive(PartialEq, Eq)]
pub(crate) enum SessionPlace {
    /// The client keeps the token.
    Client,
    /// A cookie, with its value in this request.
    Cookie(Option<String>),
}

/// The header of an answer that sets or removes the cookie.
pub(super) type SetCookie = AppendHeaders<Option<(HeaderName, HeaderValue)>>;

impl SessionPlace {
    fn of(parts: &Parts) -> Result<Self, Code> {
        match parts.headers.get(SESSION).map(HeaderValue::as_bytes) {
            None => Ok(Self::Client),
            Some(b"cookie") => {
                let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
                let mut pairs =
                    cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
                Ok(Self::Cookie(pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())))
            }
            Some(_) => Err(Code::InvalidSessionHeader),
        }
    }

    /// Returns the refresh token of a request, from the cookie or from the body.
    pub(super) fn received(&self, body: Option<&RefreshTokenText>) -> Result<RefreshToken, Error> {
        let token = match self {
            Self::Client => {
                body.ok_or_else(|| invalid_field("/refresh_token", "is required without a cookie"))?.parse()
            }
            Self::Cookie(cookie) => cookie.as_deref().and_then(RefreshToken::parse),
        };
        token.ok_or_else(|| Code::InvalidRefreshToken.into())
    }

    /// Returns the header that keeps a refresh token in the cookie.
    pub(super) fn keep(&self, token: &str, lifetime: TimeDelta) -> SetCookie {
        self.set(&format!("{COOKIE}={token}; Max-Age={}; {ATTRIBUTES}", lifetime.num_seconds()))
    }

    /// Returns the header that removes the cookie.
    pub(super) fn clear(&self) -> SetCookie {
        self.set(&format!("{COOKIE}=; Max-Age=0; {ATTRIBUTES}"))
    }

    fn set(&self, cookie: &str) -> SetCookie {
        // Tokens and attributes are visible ASCII.
        let value = HeaderValue::from_str(cookie).ok().filter(|_| *self != Self::Client);
        AppendHeaders(value.map(|value| (header::SET_COOKIE, value)))
    }
}

impl<S: Sync> FromRequestParts<S> for SessionPlace {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Self::of(parts)?)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn place(headers: &[(HeaderName, &str)]) -> Result<SessionPlace, Code> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        SessionPlace::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_cookie_is_used_with_the_header_only() {
        let cookies = [(header::COOKIE, "a=1; boxroom_session=x.y; b=2"), (header::COOKIE, "boxroom_session=other")];
        assert!(place(&cookies) == Ok(SessionPlace::Client));
        let chosen = [cookies[0].clone(), cookies[1].clone(), (SESSION, "cookie")];
        assert!(place(&chosen) == Ok(SessionPlace::Cookie(Some("x.y".to_owned()))));
        assert!(
            place(&[(SESSION, "cookie"), (header::COOKIE, "xboxroom_session=1")]) == Ok(SessionPlace::Cookie(None))
        );
        assert!(place(&[(SESSION, "Cookie")]) == Err(Code::InvalidSessionHeader));
    }

    #[test]
    fn only_a_page_gets_a_cookie() {
        let lifetime = TimeDelta::days(30);
        assert!(SessionPlace::Client.keep("token", lifetime).0.is_none() && SessionPlace::Client.clear().0.is_none());
        let (name, value) = SessionPlace::Cookie(None).keep("token", lifetime).0.unwrap();
        let expected = "boxroom_session=token; Max-Age=2592000; Path=/sessions; HttpOnly; Secure; SameSite=Strict";
        assert_eq!((name, value.to_str().unwrap()), (header::SET_COOKIE, expected));
    }
}
