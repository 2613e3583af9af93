//! The description of an HTTP API: `/openapi.json`, and pages under `/docs` that need no network.

use std::fmt::Write;

use axum::{Router, response::Html, routing::get};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// Serves the description and the page.
pub fn router(api: OpenApi) -> Router {
    SwaggerUi::new("/docs").url("/openapi.json", api).into()
}

/// Serves the page to which the `type` of every problem points: its status, its code, and when it is the answer.
pub fn problems(rows: impl IntoIterator<Item = (u16, &'static str, &'static str)>) -> Router {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Problems</title>\
         <style>body{font:16px system-ui;max-width:50em;margin:2em auto;padding:0 1em}:target{background:#ffc}</style>\
         <h1>Problems</h1><dl>",
    );
    for (status, code, when) in rows {
        let when = when.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(page, "<dt id=\"{code}\"><code>{code}</code> ({status})</dt><dd>{when}</dd>");
    }
    page.push_str("</dl></html>");
    Router::new().route("/docs/problems", get(async move || Html(page.clone())))
}
