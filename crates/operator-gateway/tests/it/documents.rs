//! The description of the API, and the pages for operators.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::world::{World, send};

/// The paths of all operations, from the description.
pub(crate) async fn operations(world: &World) -> Vec<String> {
    let description = send(world.request(Method::GET, "/openapi.json")).await.ok();
    description["paths"].as_object().expect("paths").keys().cloned().collect()
}

/// The schemas that a description refers to.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value.as_str()) {
            ("$ref", Some(path)) => drop(found.insert(path.to_owned())),
            _ => references(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_has_every_request_with_its_schemas() {
    let world = World::start().await;
    let description = send(world.request(Method::GET, "/openapi.json")).await.ok();
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 22, "{:?}", paths.keys());
    for (path, item) in paths {
        let operation = &item["post"];
        assert!(operation["description"].as_str().is_some_and(|text| text.starts_with("Requests ")), "{path}");
        assert!(operation["responses"]["409"].is_object(), "{path}");
        assert!(operation.pointer("/requestBody/content/application~1json/schema").is_some(), "{path}");
        assert!(operation.pointer("/responses/200/content/application~1json/schema").is_some(), "{path}");
    }
    let rebuild = &description["paths"]["/ops/projector/rebuild"]["post"];
    let fields = rebuild.pointer("/requestBody/content/application~1json/schema/required").unwrap();
    assert_eq!(fields, &serde_json::json!(["to", "low_priority"]));
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(found.contains("#/components/schemas/GenerationReport"), "{found:?}");
    for reference in found {
        assert!(description.pointer(&reference[1..]).is_some(), "{reference} is not described");
    }

    let problems = send(world.request(Method::GET, "/docs/problems")).await;
    for code in ["refused", "failed", "no-answer", "invalid-body"] {
        assert!(problems.text().contains(&format!("id=\"{code}\"")), "{code}");
    }
    assert_eq!(send(world.request(Method::GET, "/docs/")).await.status, 200);
    assert_eq!(send(world.request(Method::GET, "/healthz")).await.status, 200);
    send(world.post("projector/status")).await.ok();
    let metrics = send(world.request(Method::GET, "/metrics")).await.text();
    let counted = metrics.lines().any(|line| {
        line.starts_with("boxroom_http_requests_total")
            && line.contains("/ops/projector/status")
            && line.ends_with(" 1")
    });
    assert!(counted, "{metrics}");
}
