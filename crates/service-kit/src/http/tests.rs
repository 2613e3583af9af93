//! Tests of the responses that every service gives outside its own routes.

use axum::{body::Body, http::Request, routing::post};
use tower::ServiceExt;

use super::*;
use crate::extract::Json;

#[derive(eserde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Greeting {
    #[eserde(compat)]
    name: String,
    #[serde(default)]
    #[eserde(compat)]
    tone: Tone,
}

#[derive(Default, serde::Deserialize)]
enum Tone {
    #[default]
    Warm,
    Cool,
}

async fn call(request: Request<Body>) -> (StatusCode, serde_json::Value, Response) {
    let router = Router::new()
        .route(
            "/greet",
            post(async |Json(greeting): Json<Greeting>| match greeting.tone {
                Tone::Warm => greeting.name,
                Tone::Cool => String::new(),
            }),
        )
        .route("/panic", post(async || -> StatusCode { panic!("no") }));
    let response = finish(router).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    (parts.status, json, Response::from_parts(parts, Body::empty()))
}

fn greet(body: impl Into<Body>) -> Request<Body> {
    Request::post("/greet").header("content-type", "application/json").body(body.into()).unwrap()
}

#[tokio::test]
async fn every_fault_is_a_problem_with_its_request_id() {
    let cases = [
        (greet("{"), 400, "malformed-json"),
        (greet("[]"), 422, "invalid-body"),
        (greet(r#"{"name":1}"#), 422, "invalid-body"),
        (greet(r#"{"name":"a","more":1}"#), 422, "invalid-body"),
        (greet(r#"{"name":"a","tone":null}"#), 422, "invalid-body"),
        (greet(r#"{"name":"a","tone":7}"#), 422, "invalid-body"),
        (greet("x".repeat(BODY_LIMIT + 1)), 413, "body-too-large"),
        (Request::post("/greet").body("{}".into()).unwrap(), 415, "unsupported-media-type"),
        (Request::get("/greet").body(Body::empty()).unwrap(), 405, "method-not-allowed"),
        (Request::get("/nowhere").body(Body::empty()).unwrap(), 404, "not-found"),
        (
            Request::get(format!("/greet?{}", "x".repeat(heads::MAX_TARGET))).body(Body::empty()).unwrap(),
            414,
            "uri-too-long",
        ),
        (
            Request::get("/greet").header("x-much", "x".repeat(heads::MAX_HEADERS)).body(Body::empty()).unwrap(),
            431,
            "headers-too-large",
        ),
        (Request::post("/panic").body(Body::empty()).unwrap(), 500, "internal"),
    ];
    for (request, status, code) in cases {
        let (got, problem, response) = call(request).await;
        assert_eq!((got.as_u16(), &problem["code"]), (status, &code.into()));
        for (name, value) in [
            ("content-type", "application/problem+json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(response.headers()[name], value, "{code}");
        }
        assert_eq!(problem["request_id"], response.headers()["x-request-id"].to_str().unwrap());
        assert_eq!(problem["status"], status);
    }
}

#[tokio::test]
async fn a_valid_request_passes_and_keeps_its_id() {
    let mut request = greet(r#"{"name":"ana"}"#);
    request.headers_mut().insert("x-request-id", HeaderValue::from_static("mine-1"));
    let (status, _, response) = call(request).await;
    assert_eq!((status, &response.headers()["x-request-id"]), (StatusCode::OK, &HeaderValue::from_static("mine-1")));

    let mut request = greet(r#"{"name":"ana"}"#);
    request.headers_mut().insert("x-request-id", HeaderValue::from_static("not plain!"));
    let (_, _, response) = call(request).await;
    assert_ne!(response.headers()["x-request-id"], "not plain!");
}

#[tokio::test]
async fn an_invalid_body_names_every_field() {
    let (status, problem, _) = call(greet(r#"{"name":1,"tone":"Loud","a/b":2}"#)).await;
    assert_eq!(status, 422);
    assert_eq!(
        problem["errors"],
        serde_json::json!([
            { "pointer": "/name", "detail": "must be a string" },
            { "pointer": "/a~1b", "detail": "is not a known field" },
            { "pointer": "/tone", "detail": "must be `Warm` or `Cool`" },
        ])
    );
    assert_eq!(problem["detail"], "/name must be a string, and 2 more");
    let (_, problem, _) = call(greet(r#"{"a/b":2,"tone":"Loud","nam":"ana"}"#)).await;
    assert_eq!(
        problem["errors"],
        serde_json::json!([
            { "pointer": "/a~1b", "detail": "is not a known field" },
            { "pointer": "/nam", "detail": "is not a known field" },
            { "pointer": "/tone", "detail": "must be `Warm` or `Cool`" },
            { "pointer": "/name", "detail": "is required" },
        ]),
        "the parser stops at an unknown field"
    );
    let (_, problem, _) = call(greet(r#"{"name":["ana",{}],"tone":"Loud"}"#)).await;
    assert_eq!(
        problem["errors"],
        serde_json::json!([
            { "pointer": "/name", "detail": "must be a string" },
            { "pointer": "/tone", "detail": "must be `Warm` or `Cool`" },
        ]),
        "the parser stays in the array"
    );
    let (_, problem, _) = call(greet(r#"{"name":"ana","name":"ben"}"#)).await;
    assert_eq!(problem["errors"], serde_json::json!([{ "pointer": "/name", "detail": "is given twice" }]));
    let (_, problem, _) = call(greet("{}")).await;
    assert_eq!(problem["errors"], serde_json::json!([{ "pointer": "/name", "detail": "is required" }]));
    let (_, problem, _) = call(greet(r#" ["ana"]"#)).await;
    assert_eq!(problem["errors"], serde_json::json!([{ "pointer": "", "detail": "must be an object" }]));
}

#[tokio::test]
async fn a_request_ends_with_the_timeout_of_its_service() {
    let router = Router::new().route("/slow", post(async || std::future::pending::<()>().await));
    let request = Request::post("/slow").body(Body::empty()).unwrap();
    let response = finish_within(router, Duration::from_millis(10)).oneshot(request).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn an_optional_body_is_absent_or_json() {
    let read = |request: Request<Body>| async {
        let body = crate::extract::optional_json(request).await;
        body.map(|body| body.map(|body| body.len())).map_err(|problem| problem.code())
    };
    assert_eq!(read(Request::post("/").body(Body::empty()).unwrap()).await, Ok(None));
    assert_eq!(read(greet("{ }")).await, Ok(Some(3)));
    assert_eq!(read(greet("{")).await, Err("malformed-json"));
    assert_eq!(read(greet(" ")).await, Err("malformed-json"));
    assert_eq!(read(Request::post("/").body("{}".into()).unwrap()).await, Err("unsupported-media-type"));
}
