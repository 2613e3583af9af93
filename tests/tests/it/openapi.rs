//! The OpenAPI documents of the services: complete, and readable without a network.

mod policies;
mod valid;

use std::collections::BTreeSet;

use harness::{ServiceId, StackOptions};
use reqwest::Method;
use serde_json::Value;
use system_tests::{
    World,
    api::{Api, Operation, fill},
};

/// The published commands. A name in braces is a parameter.
const COMMANDS: &[&str] = &[
    "POST /users",
    "POST /users/confirmations",
    "POST /sessions",
    "POST /sessions/refresh",
    "DELETE /sessions/current",
    "DELETE /sessions",
    "GET /sessions",
    "DELETE /sessions/{session}",
    "PATCH /users/me",
    "DELETE /users/me",
    "PUT /users/me/password",
    "POST /users/{user}/password-resets",
    "POST /password-resets",
    "PUT /users/me/devices/{device}",
    "DELETE /users/me/devices/{device}",
    "PUT /users/me/notification-preferences",
    "PUT /users/me/quiet-hours",
    "DELETE /users/me/quiet-hours",
    "PUT /users/me/read-marker-sharing",
    "PUT /users/me/muted-rooms/{room}",
    "DELETE /users/me/muted-rooms/{room}",
    "PUT /users/me/blocks/{user}",
    "DELETE /users/me/blocks/{user}",
    "POST /alarms/read",
    "POST /reports",
    "PUT /reports/{report}/claim",
    "DELETE /reports/{report}/claim",
    "PUT /reports/{report}/resolution",
    "PUT /reports/{report}/publication",
    "PUT /filters/{filter}",
    "DELETE /filters/{filter}",
    "POST /boxes",
    "PATCH /boxes/{box}",
    "DELETE /boxes/{box}",
    "PUT /boxes/{box}/retirement",
    "PUT /boxes/{box}/users/{user}",
    "DELETE /boxes/{box}/users/{user}",
    "PUT /boxes/{box}/credentials",
    "DELETE /boxes/{box}/credentials",
    "POST /boxes/{box}/sessions",
    "PUT /boxes/{box}/service-state",
    "POST /boxes/{box}/dropped-events",
    "POST /boxes/{box}/arrivals",
    "POST /boxes/{box}/door-openings",
    "POST /stores",
    "PATCH /stores/{store}",
    "PUT /stores/{store}/availability",
    "PUT /stores/{store}/retirement",
    "POST /boxes/{box}/rooms",
    "POST /rooms/{room}/members",
    "DELETE /rooms/{room}/members/me",
    "DELETE /rooms/{room}/members/{user}",
    "PATCH /rooms/{room}",
    "PUT /rooms/{room}/co-hosts/{user}",
    "DELETE /rooms/{room}/co-hosts/{user}",
    "PUT /rooms/{room}/members/{user}/mute",
    "DELETE /rooms/{room}/members/{user}/mute",
    "PUT /rooms/{room}/slow-mode",
    "PUT /rooms/{room}/pins/{message}",
    "DELETE /rooms/{room}/pins/{message}",
    "POST /rooms/{room}/invitations",
    "DELETE /rooms/{room}/invitations/{invitation}",
    "PUT /rooms/{room}/host",
    "PUT /rooms/{room}/step",
    "POST /rooms/{room}/extensions",
    "DELETE /rooms/{room}",
    "POST /rooms/{room}/messages",
    "PATCH /rooms/{room}/messages/{message}",
    "DELETE /rooms/{room}/messages/{message}",
    "PUT /rooms/{room}/messages/{message}/reactions/{emoji}",
    "DELETE /rooms/{room}/messages/{message}/reactions/{emoji}",
    "PUT /rooms/{room}/read-marker",
    "PUT /rooms/{room}/closure",
    "PUT /rooms/{room}/messages/{message}/removal",
    "PUT /rooms/{room}/lifted-kicks/{user}",
    "PUT /users/{user}/suspension",
    "PUT /users/{user}/reinstatement",
    "PUT /users/{user}/erasure",
];

/// The published reads.
const READS: &[&str] = &[
    "GET /boxes",
    "GET /boxes/{box}",
    "GET /stores",
    "GET /stores/{store}",
    "GET /rooms",
    "GET /rooms/{room}",
    "GET /rooms/{room}/members",
    "GET /rooms/{room}/invitations",
    "GET /rooms/{room}/messages",
    "GET /rooms/{room}/messages/{message}",
    "GET /rooms/{room}/events",
    "GET /users",
    "GET /users/{user}",
    "GET /moderation/users",
    "GET /moderation/users/{user}",
    "GET /me",
    "GET /me/rooms",
    "GET /me/alarms",
    "GET /me/blocks",
    "GET /filters",
    "GET /reports",
    "GET /reports/{report}",
    "GET /me/export",
    "GET /search/messages",
    "GET /live",
    "GET /events",
    "POST /live-tickets",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_every_described_route_exists() {
    let world = World::start(StackOptions::default()).await;
    for (url, promised) in [(world.stack.command_url(0), COMMANDS), (world.stack.query_url(0), READS)] {
        let api = Api::fetch(&world, &url).await;
        let described: BTreeSet<String> = api.operations().map(Operation::name).collect();
        assert_eq!(described, promised.iter().map(|name| (*name).to_owned()).collect());
        let names: BTreeSet<&str> = api.operations().map(|operation| operation.id.as_str()).collect();
        assert_eq!(names.len(), promised.len(), "every operation id is unique");
        for operation in api.operations() {
            let path = fill(&operation.path, &[]);
            let answer = world.request(operation.method.clone(), &format!("{url}{path}")).send().await.unwrap();
            let problem: Value = answer.json().await.unwrap();
            let found = (problem["status"].as_u64(), problem["code"].as_str());
            let documented =
                operation.problems.iter().any(|(status, code)| found == (Some((*status).into()), Some(code)));
            assert!(documented, "{} answers {problem}", operation.name());
            assert!(!["not-found", "method-not-allowed"].contains(&found.1.unwrap_or_default()), "{problem}");
        }
        every_code_is_explained(&api);
    }
}

/// Checks that every operation lists the common problems, and that every code has the documented form.
fn every_code_is_explained(api: &Api) {
    for operation in api.operations() {
        let name = operation.name();
        let has = |status: u16, code: &str| operation.problems.contains(&(status, code.to_owned()));
        assert!(has(503, "timeout") && has(500, "internal"), "{name}");
        if operation.body.is_some() {
            assert!(has(400, "malformed-json") && has(413, "body-too-large") && has(422, "invalid-body"), "{name}");
        }
        for (status, code) in &operation.problems {
            assert!((400..600).contains(status), "{name}: {status}");
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}: {code}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_needs_no_network_and_health_no_token() {
    let world = World::start(StackOptions::default()).await;
    for url in [world.stack.command_url(0), world.stack.query_url(0)] {
        let page = world.request(Method::GET, &format!("{url}/docs/")).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        let page = page.text().await.unwrap();
        for from_elsewhere in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
            assert!(!page.contains(from_elsewhere), "{page}");
        }
        let scripts = page.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for script in scripts {
            let script = format!("{url}/docs/{}", script.trim_start_matches("./").trim_start_matches("/docs/"));
            assert_eq!(world.request(Method::GET, &script).send().await.unwrap().status(), 200, "{script}");
        }
        let bare = world.request(Method::GET, &format!("{url}/docs")).send().await.unwrap();
        assert_eq!(bare.status(), 200);
    }
    for service in [ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0)] {
        for page in ["healthz", "readyz"] {
            let answer = world.request(Method::GET, &format!("{}/{page}", world.stack.url(service))).send().await;
            assert_eq!(answer.unwrap().status(), 200, "{page} of {service}");
        }
    }
}
