//! The routes, and the OpenAPI document generated from them.

use std::sync::Arc;

use axum::{Router, middleware};
use service_kit::http::{self, Rates};
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Description,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, boxes, cards, live, me, moderation, problems::ProblemSchema, rooms, search, stores, users};

/// The minimum size of a compressed response in bytes.
const MIN_COMPRESSED: u64 = 1024;

/// Returns all routes of the service and their OpenAPI document.
pub(crate) fn all(app: &App, rates: &Arc<Rates>) -> (Router, Description) {
    let cards = OpenApiRouter::new()
        .routes(routes!(boxes::show::show_box))
        .routes(routes!(stores::show::show_store))
        .routes(routes!(rooms::show::show_room))
        .routes(routes!(users::show::show_user))
        .route_layer(middleware::from_fn(cards::tag));
    let (reads, mut description) = OpenApiRouter::with_openapi(Api::openapi())
        .merge(cards)
        .routes(routes!(boxes::list::list_boxes))
        .routes(routes!(stores::list::list_stores))
        .routes(routes!(rooms::list::list_rooms))
        .routes(routes!(rooms::members::list_members))
        .routes(routes!(rooms::invitations::list_invitations))
        .routes(routes!(rooms::messages::list_messages))
        .routes(routes!(rooms::message::show_message))
        .routes(routes!(rooms::events::list_events))
        .routes(routes!(users::list::list_users))
        .routes(routes!(moderation::list::list_users))
        .routes(routes!(moderation::show::show_user))
        .routes(routes!(me::show::show_me))
        .routes(routes!(me::rooms::list_my_rooms))
        .routes(routes!(me::alarms::list_my_alarms))
        .routes(routes!(me::blocks::list_my_blocks))
        .routes(routes!(me::export::export_me))
        .routes(routes!(search::search_messages))
        .routes(routes!(moderation::filters::list_filters))
        .routes(routes!(moderation::reports::list_reports))
        .routes(routes!(moderation::reports::show_report))
        .split_for_parts();
    let (live_routes, more) = OpenApiRouter::new()
        .routes(routes!(live::open_live))
        .routes(routes!(live::events::open_events))
        .routes(routes!(live::issue_ticket::issue_ticket))
        .split_for_parts();
    description.merge(more);
    let reads = reads.layer(CompressionLayer::new().compress_when(SizeAbove::new(MIN_COMPRESSED)));
    let reads = http::limit(reads.merge(live::asyncapi::router()).with_state(app.clone()), rates, &app.verifier);
    let live_routes = http::limit(live_routes.with_state(app.clone()), app.live.rates(), &app.verifier);
    (reads.merge(live_routes), description)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Boxroom: query-service",
        description = "Reads and live updates. Times are RFC 3339 in UTC. Ids are strings. Lists have at most 200 \
                       items and a cursor for the next page. Every error is a problem (RFC 9457) with a stable `code`. \
                       The frames of `/live` and `/events` are described in [/asyncapi.json](/asyncapi.json) and on a \
                       [page](/docs/live).",
        version = "1"
    ),
    servers((url = "/", description = "This service")),
    components(schemas(ProblemSchema)),
    modifiers(&BearerToken),
    security(("token" = [])),
    tags(
        (name = "boxes", description = "Delivery boxes"),
        (name = "stores", description = "Stores to order from"),
        (name = "rooms", description = "Rooms, their members, messages and events"),
        (name = "users", description = "Users as others see them"),
        (name = "me", description = "The caller's account, rooms and alarms"),
        (name = "search", description = "Full-text search in the caller's rooms"),
        (name = "moderation", description = "The means of moderators and operators against abuse"),
        (name = "live", description = "Live events"),
    )
)]
struct Api;

/// Adds the security scheme of access tokens, which the command-service issues.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, description: &mut Description) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}
