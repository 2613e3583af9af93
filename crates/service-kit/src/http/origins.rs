//! Cross-origin requests (CORS): a browser allows a page to call a service of another origin only if the service
//! permits it.

use std::{str::FromStr, time::Duration};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
};
use clap::Args;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use super::rates::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::problem::REQUEST_ID;

/// The time for which a browser may cache a preflight response.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The settings of cross-origin requests.
#[derive(Debug, Clone, Args)]
pub struct OriginArgs {
    /// Origins whose pages may call this service from a browser, separated by commas, like
    /// `https://chat.example,http://localhost:*` (all ports); none if not given
    #[arg(long, env = "BOXROOM_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub allowed_origins: Vec<Origin>,
}

/// The origin of a page: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One origin, in the form that a browser sends: origins are compared byte by byte.
    Exact(String),
    /// All ports of a host, for development. Written with `*` as the port. Contains the origin up to the port.
    AnyPort(String),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_origin = |text: &str| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.is_some_and(|url| url.origin().ascii_serialization() == text)
        };
        match text.strip_suffix(":*") {
            Some(host) if is_origin(host) => Ok(Self::AnyPort(format!("{host}:"))),
            None if is_origin(text) => Ok(Self::Exact(text.to_owned())),
            _ => Err(format!("{text:?} is not an origin like https://chat.example or http://localhost:*")),
        }
    }
}

impl Origin {
    fn includes(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::AnyPort(host) => origin
                .strip_prefix(host)
                .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())),
        }
    }
}

/// Allows pages of these origins to call the service and to read its responses. Must be the outermost layer, because a
/// preflight request has no token.
pub fn allow(router: Router, origins: &[Origin]) -> Router {
    if origins.is_empty() {
        return router;
    }
    let origins = origins.to_vec();
    let named = HeaderName::from_static;
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _: &_| {
            origin.to_str().is_ok_and(|origin| origins.iter().any(|allowed| allowed.includes(origin)))
        }))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            named("boxroom-session"),
            named("idempotency-key"),
            named("last-event-id"),
            named("min-position"),
            REQUEST_ID,
        ])
        .expose_headers([
            named("event-position"),
            named("idempotent-replay"),
            header::ETAG,
            header::RETRY_AFTER,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            REQUEST_ID,
        ])
        // Sessions of pages are in cookies.
        .allow_credentials(true)
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
            assert_eq!(header(&response, "access-control-allow-credentials"), Some("true"));
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

    #[tokio::test]
    async fn pages_of_all_ports_of_a_host_are_allowed() {
        let allowed = ["http://localhost:*"];
        for (origin, is_allowed) in [
            ("http://localhost:5173", true),
            ("http://localhost", false),
            ("http://localhost:", false),
            ("http://localhost:80.example", false),
            ("http://localhost.example:80", false),
            ("https://localhost:5173", false),
        ] {
            let response = call(&allowed, preflight(origin)).await;
            let found = header(&response, "access-control-allow-origin");
            assert_eq!(found, is_allowed.then_some(origin), "{origin}");
        }
    }

    #[test]
    fn an_origin_consists_of_scheme_host_and_port() {
        for fine in [CHAT, "http://127.0.0.1:3000", "https://[::1]:8443", "http://localhost:*"] {
            fine.parse::<Origin>().unwrap();
        }
        let strange = [
            "",
            "*",
            "null",
            "http://localhost:80:*",
            "chat.example",
            "https://chat.example/",
            "https://Chat.example",
            "ftp://a.example",
        ];
        for strange in strange.into_iter().chain(["https://chat.example:443", "https://ana@chat.example"]) {
            strange.parse::<Origin>().unwrap_err();
        }
    }
}
