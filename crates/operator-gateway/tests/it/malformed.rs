//! Requests that cannot be read.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::world::{World, send};

fn json_body(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request.header("content-type", "application/json").body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_reaches_no_projector() {
    let world = World::start().await;
    let rebuild = || world.post("projector/rebuild");
    for (request, status, code) in [
        (json_body(rebuild(), "{"), 400, "malformed-json"),
        (rebuild().body("{}"), 415, "unsupported-media-type"),
        (json_body(rebuild(), " ".repeat(64 * 1024 + 1)), 413, "body-too-large"),
        (rebuild(), 422, "invalid-body"),
        (json_body(rebuild(), r#"{"to":"moon","low_priority":false}"#), 422, "invalid-body"),
        (world.post("projector/retire").json(&json!({ "generation": "two" })), 422, "invalid-body"),
        (world.post("projector/quarantine_show").json(&json!({ "box_id": "no box" })), 422, "invalid-body"),
        (world.request(Method::GET, "/ops/projector/status").bearer_auth(world.operator()), 405, "method-not-allowed"),
        (world.post("projector/webhook_list"), 404, "not-found"),
        (world.post("notifier/status"), 404, "not-found"),
        (world.post("projector/*"), 404, "not-found"),
    ] {
        send(request).await.refused(status, code);
    }
    let misspelled = json!({ "to": "ready", "low_priority": false, "max_rtae": 5 });
    let misspelled = world.operate("projector/rebuild", misspelled).await;
    misspelled.refused(422, "invalid-body");
    assert_eq!(misspelled.json()["detail"], "/max_rtae is not a known field");
    let report = world.status().await;
    assert_eq!(report["generations"].as_array().unwrap().len(), 1, "{report}");
}
