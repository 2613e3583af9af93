//! The web page for users: the files that were built from `web`, under `/app/`.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Result, ensure};
use axum::{
    Json, Router,
    extract::Request,
    handler::HandlerWithoutStateExt,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{Redirect, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::Args;
use serde::Serialize;
use service_kit::extract;
use tower::ServiceBuilder;
use tower_http::{compression::CompressionLayer, services::ServeDir, set_header::SetResponseHeaderLayer};
use url::Url;

/// Files whose names change with their content.
const ASSETS: &str = "/app/assets/";

/// Features of browsers that the page does not use.
const PERMISSIONS: &str = "camera=(), microphone=(), payment=(), usb=(), geolocation=(self)";

/// The first byte of an uncompressed point, and the number of bytes of its two coordinates.
const UNCOMPRESSED: u8 = 4;
const POINT_BYTES: usize = 64;

/// The settings of the page.
#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    /// The folder of the built web page, which is served under `/app/`; no page if not given
    #[arg(long, env = "BOXROOM_PAGE", value_name = "FOLDER")]
    page: Option<PathBuf>,

    /// The address at which the page finds the command-service; that of the page if not given. Another origin must be
    /// of the same site, and must permit the page with `BOXROOM_ALLOWED_ORIGINS`
    #[arg(long, env = "BOXROOM_PAGE_COMMAND_URL", value_name = "URL")]
    page_command_url: Option<Url>,

    /// The address at which the pages for operators find the operator-gateway; they have none if not given
    #[arg(long, env = "BOXROOM_PAGE_OPERATOR_URL", value_name = "URL")]
    page_operator_url: Option<Url>,

    /// The public key of Web Push, as `boxroomctl push public-key` prints it; the page offers no push messages if not
    /// given
    #[arg(long, env = "BOXROOM_PAGE_WEB_PUSH_KEY", value_name = "KEY")]
    page_web_push_key: Option<WebPushKey>,
}

/// The public key with which browsers make their subscriptions: a point of P-256, uncompressed, in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WebPushKey(String);

impl FromStr for WebPushKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match BASE64_URL_SAFE_NO_PAD.decode(text).as_deref() {
            Ok([UNCOMPRESSED, point @ ..]) if point.len() == POINT_BYTES => Ok(Self(text.to_owned())),
            _ => Err("a public key of Web Push has 65 bytes, the first one 4, in base64url without padding".to_owned()),
        }
    }
}

/// What the page reads first.
#[derive(Clone, Serialize)]
struct Config {
    /// The address of the command-service; relative if it has the origin of the page.
    command_url: String,
    /// The same of this service, which has the origin of the page.
    query_url: &'static str,
    /// The address of the operator-gateway.
    operator_url: Option<String>,
    /// The key for subscriptions of Web Push.
    web_push_key: Option<WebPushKey>,
}

/// Returns the routes of the page, if there is one. Fails if the folder has no page.
pub(crate) fn router(args: &PageArgs) -> Result<Router> {
    let Some(folder) = &args.page else { return Ok(Router::new()) };
    let index = folder.join("index.html");
    ensure!(index.is_file(), "--page is not the folder of a built page: {} does not exist", index.display());
    let command_url = args.page_command_url.as_ref().map_or("/", Url::as_str).to_owned();
    let config = Config {
        command_url,
        query_url: "/",
        operator_url: args.page_operator_url.as_ref().map(Url::to_string),
        web_push_key: args.page_web_push_key.clone(),
    };
    let not_found = (async || extract::not_found()).into_service();
    let files = ServeDir::new(folder).precompressed_br().precompressed_gzip().fallback(not_found);
    let always = |name: HeaderName, value: HeaderValue| SetResponseHeaderLayer::overriding(name, value);
    let fixed = |name: HeaderName, value: &'static str| always(name, HeaderValue::from_static(value));
    let policy = policy([&args.page_command_url, &args.page_operator_url].into_iter().flatten());
    let pages = Router::new()
        .route("/", get(async || Redirect::temporary("/app/")))
        .route("/app", get(async || Redirect::permanent("/app/")))
        .route("/app/config.json", get(async move || Json(config.clone())))
        .nest_service("/app/", files)
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn(cache))
                .layer(always(header::CONTENT_SECURITY_POLICY, policy))
                .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
                .layer(fixed(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
                .layer(fixed(HeaderName::from_static("permissions-policy"), PERMISSIONS))
                .layer(CompressionLayer::new()),
        );
    Ok(pages)
}

/// Returns the content security policy: nothing but the own files and these services, and no text as HTML. The one
/// policy of trusted types is for the address of the service worker.
fn policy<'a>(services: impl Iterator<Item = &'a Url>) -> HeaderValue {
    let origins: Vec<String> = services.map(|url| url.origin().ascii_serialization()).collect();
    let sources = [vec!["'self'".to_owned()], origins].concat().join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src {sources}; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types boxroom-worker"
    );
    // An origin is ASCII.
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// Lets browsers keep the files whose names change with their content, and ask for the others each time.
async fn cache(request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with(ASSETS);
    let mut response = next.run(request).await;
    let is_kept = is_asset && response.status().is_success();
    let how = if is_kept { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_page_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let args = PageArgs {
            page: Some(folder.path().to_owned()),
            page_command_url: None,
            page_operator_url: None,
            page_web_push_key: None,
        };
        let error = router(&args).unwrap_err().to_string();
        assert!(error.contains("is not the folder of a built page"), "{error}");
        std::fs::write(folder.path().join("index.html"), "<!doctype html>").unwrap();
        drop(router(&args).unwrap());
    }

    #[test]
    fn a_key_of_web_push_is_an_uncompressed_point() {
        let point = |first: u8, rest: usize| BASE64_URL_SAFE_NO_PAD.encode([vec![first], vec![7; rest]].concat());
        let good = point(4, 64);
        assert_eq!(good.parse(), Ok(WebPushKey(good.clone())));
        let bad = [String::new(), point(3, 64), point(4, 63), point(4, 65), format!("{good}="), good.replace('A', "+")];
        for bad in bad {
            assert!(bad.parse::<WebPushKey>().unwrap_err().contains("65 bytes"), "{bad}");
        }
    }
}
