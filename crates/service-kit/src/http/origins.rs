//! Cross-origin requests (CORS): a browser allows a page to call a service of another origin only if the service
//! permits it.

use std::{str::FromStr, time::Duration};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
};
use clap::Args;
use tower_http::cors::CorsLayer;
use url::Url;

use super::rates::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::problem::REQUEST_ID;

/// The time for which a browser may cache a preflight response.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The settings of cross-origin requests.
#[derive(Debug, Clone, Args)]
pub struct OriginArgs {
    /// Origins whose pages may call this service from a browser, separated by commas, like
    /// `https://chat.example,http://127.0.0.1:3000`; none if not given
    #[arg(long, env = "BOXROOM_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub allowed_origins: Vec<Origin>,
}

/// The origin of a page: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        // A browser sends this exact form, and origins are compared byte by byte.
        let form = url.map(|url| url.origin().ascii_serialization()).filter(|form| form == text);
        let origin = form.and_then(|form| HeaderValue::from_str(&form).ok());
        origin
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not an origin like https://chat.example or http://127.0.0.1:3000"))
    }
}

/// Allows pages of these origins to call the service and to read its responses. Must be the outermost layer, because a
/// preflight request has no token.
pub fn allow(router: Router, origins: &[Origin]) -> Router {
    if origins.is_empty() {
        return router;
    }
    let named = HeaderName::from_static;
    let cors = CorsLayer::new()
        .allow_origin(origins.iter().map(|Origin(origin)| origin.clone()).collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            named("idempotency-key"),
            named("last-event-id"),
            named("min-position"),
            REQUEST_ID,
        ])
        .expose_headers([
            named("event-position"),
            named("idempotent-replay"),
            header::RETRY_AFTER,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            REQUEST_ID,
        ])
        .max_age(MAX_AGE);
    router.layer(cors)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request, response::Response, routing::post};
    use tower::ServiceExt;

    use super::*;

    const CHAT: &str = "https://chat.example";

    async fn call(allowed: &[&str], request: Request<Body>) -> Response {
        let router = Router::new().route("/greet", post(async || "hello"));
        let origins: Vec<Origin> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        allow(crate::http::finish(router), &origins).oneshot(request).await.unwrap()
    }

    fn preflight(origin: &str) -> Request<Body> {
        let request = Request::options("/greet").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization").body(Body::empty()).unwrap()
    }

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn pages_of_configured_origins_are_allowed() {
        let allowed = [CHAT, "http://127.0.0.1:3000"];
        for origin in allowed {
            let response = call(&allowed, preflight(origin)).await;
            assert_eq!(
                (response.status().as_u16(), header(&response, "access-control-allow-origin")),
                (200, Some(origin))
            );
            assert!(header(&response, "access-control-allow-headers").unwrap().contains("idempotency-key"));
            let request = Request::post("/greet").header("origin", origin).body(Body::empty()).unwrap();
            let response = call(&allowed, request).await;
            assert_eq!(
                (response.status().as_u16(), header(&response, "access-control-allow-origin")),
                (200, Some(origin))
            );
            assert!(header(&response, "access-control-expose-headers").unwrap().contains("event-position"));
            assert!(header(&response, "access-control-allow-credentials").is_none());
        }
    }

    #[tokio::test]
    async fn pages_of_other_origins_are_refused() {
        for allowed in [&[][..], &[CHAT]] {
            for origin in ["https://chat.example.org", "http://chat.example", "null"] {
                let response = call(allowed, preflight(origin)).await;
                assert_eq!(header(&response, "access-control-allow-origin"), None, "{origin}");
            }
        }
        let response = call(&[], preflight(CHAT)).await;
        assert_eq!((response.status().as_u16(), header(&response, "access-control-allow-origin")), (405, None));
    }

    #[test]
    fn an_origin_consists_of_scheme_host_and_port() {
        for fine in [CHAT, "http://127.0.0.1:3000", "https://[::1]:8443"] {
            fine.parse::<Origin>().unwrap();
        }
        let strange =
            ["", "*", "null", "chat.example", "https://chat.example/", "https://Chat.example", "ftp://a.example"];
        for strange in strange.into_iter().chain(["https://chat.example:443", "https://ana@chat.example"]) {
            strange.parse::<Origin>().unwrap_err();
        }
    }
}
