//! The descriptions of the service: OpenAPI, AsyncAPI and health.

use serde_json::Value;

use super::world::World;

#[tokio::test]
async fn every_operation_is_described_with_its_problems() {
    let world = World::start().await;
    let (status, api) = world.plain_get("/openapi.json").await;
    assert_eq!(status, 200);
    let paths = api["paths"].as_object().unwrap();
    let expected = [
        "/boxes",
        "/boxes/{box}",
        "/events",
        "/filters",
        "/live",
        "/live-tickets",
        "/me",
        "/me/alarms",
        "/me/blocks",
        "/me/export",
        "/me/rooms",
        "/moderation/users",
        "/moderation/users/{user}",
        "/reports",
        "/reports/{report}",
        "/rooms",
        "/rooms/{room}",
        "/rooms/{room}/events",
        "/rooms/{room}/invitations",
        "/rooms/{room}/members",
        "/rooms/{room}/messages",
        "/rooms/{room}/messages/{message}",
        "/search/messages",
        "/stores",
        "/stores/{store}",
        "/users",
        "/users/{user}",
    ];
    assert!(paths.keys().map(String::as_str).eq(expected), "{:?}", paths.keys());
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("/live") && *path != "/events") {
        let responses = &item["get"]["responses"];
        for status in ["200", "400", "401", "500", "503"] {
            assert!(responses[status].is_object(), "{path} {status}");
        }
        let codes =
            &responses["401"]["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"];
        assert_eq!(codes["enum"].as_array().unwrap().len(), 4, "{path}");
    }
    let events = api["paths"]["/events"]["get"]["responses"]["503"].to_string();
    for code in ["database-unavailable", "read-model-unavailable", "tickets-unavailable"] {
        assert!(events.contains(code), "a stream does not say {code}: {events}");
    }
    assert!(api["components"]["schemas"]["Problem"].is_object());
    assert_eq!(api["components"]["schemas"]["RoomEvent"]["oneOf"].as_array().unwrap().len(), 28, "by type");
    all_references_lead_somewhere(&api, &api);
}

fn all_references_lead_somewhere(api: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                assert!(api.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            fields.values().for_each(|field| all_references_lead_somewhere(api, field));
        }
        Value::Array(items) => items.iter().for_each(|item| all_references_lead_somewhere(api, item)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_of_live_frames_is_valid_asyncapi() {
    let world = World::start().await;
    let (status, document) = world.plain_get("/asyncapi.json").await;
    assert_eq!(status, 200);
    let schema = serde_json::from_str(include_str!("../asyncapi-3.0.0.json")).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    all_references_lead_somewhere(&document, &document);
    let page = world.get_with("/docs/live", &[]).await;
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().await.unwrap().contains("message_posted"));
}

#[tokio::test]
async fn the_docs_page_needs_no_network() {
    let world = World::start().await;
    let response = world.get_with("/docs/", &[]).await;
    assert_eq!(response.status().as_u16(), 200);
    let page = response.text().await.unwrap();
    assert!(page.contains("swagger-ui") && !page.contains("https://"), "{page}");
}

#[tokio::test]
async fn health_names_each_dependency() {
    let world = World::start().await;
    assert_eq!(world.plain_get("/healthz").await.0, 200);
    let (_, ready) = world.plain_get("/readyz").await;
    let names: Vec<_> =
        ready["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["postgres", "read_model", "nats", "keys"]);
}
