//! The description of an HTTP API: `/openapi.json`, and a page at `/docs` that needs no network.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// Serves the description and the page.
pub fn router(api: OpenApi) -> Router {
    SwaggerUi::new("/docs").url("/openapi.json", api).into()
}
