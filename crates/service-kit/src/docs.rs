//! The documentation of an HTTP API: `/openapi.json`, and pages under `/docs` that work offline.

mod examples;

use std::fmt::Write;

use axum::{
    Router,
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// The content security policy of Swagger UI: its own scripts, which add a style element, and requests to its own
/// service.
const SWAGGER_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; style-src-attr 'none'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Serves the OpenAPI document with examples of its responses, and Swagger UI.
pub fn router(api: OpenApi) -> Router {
    let api = with_examples(api);
    let swagger = Router::from(SwaggerUi::new("/docs").url("/openapi.json", api));
    swagger.layer(map_response(async |mut response: Response| {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, SWAGGER_POLICY);
        response
    }))
}

fn with_examples(api: OpenApi) -> OpenApi {
    let with_examples = serde_json::to_value(&api).and_then(|mut document| {
        examples::add(&mut document);
        serde_json::from_value(document)
    });
    with_examples.unwrap_or(api)
}

/// An HTML page. Its policy allows only its own style.
#[derive(Debug, Clone)]
pub struct Page {
    html: String,
    policy: HeaderValue,
}

impl Page {
    /// Returns the page with this title, CSS and body.
    pub fn new(title: &str, style: &str, body: &str) -> Self {
        let digest = BASE64.encode(Sha256::digest(style));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <style>{style}</style>{body}</html>"
        );
        let nothing = HeaderValue::from_static("default-src 'none'");
        Self { html, policy: HeaderValue::try_from(policy).unwrap_or(nothing) }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(CONTENT_SECURITY_POLICY, self.policy)], Html(self.html)).into_response()
    }
}

/// Serves the page that the `type` of every problem refers to. A row is status, code and the condition of the problem.
pub fn problems(rows: impl IntoIterator<Item = (u16, &'static str, &'static str)>) -> Router {
    let style = "body{font:16px system-ui;max-width:50em;margin:2em auto;padding:0 1em}:target{background:#ffc}";
    let mut body = String::from("<h1>Problems</h1><dl>");
    for (status, code, when) in rows {
        let when = when.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(body, "<dt id=\"{code}\"><code>{code}</code> ({status})</dt><dd>{when}</dd>");
    }
    body.push_str("</dl>");
    let page = Page::new("Problems", style, &body);
    Router::new().route("/docs/problems", get(async move || page.clone()))
}
