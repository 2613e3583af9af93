//! Wrong requests: the answer names the defect, and nothing is stored.
//!
//! The requests are derived from the services' own OpenAPI documents. A route without a row in a table fails the test.

mod rows;
mod wrong;

use std::collections::BTreeSet;

use harness::token::Bearer;
use reqwest::{Method, RequestBuilder, Response, Url, header};
use serde_json::{Value, json};
use system_tests::{
    World,
    api::{self, Api, Operation},
    log::Log,
};
use testing::{Answer, wait::new_key};

use self::rows::{Fixture, Row, Who};

/// An operation with all that is needed to send its wrong variants.
struct Case<'a> {
    world: &'a World,
    log: &'a Log,
    fixture: &'a Fixture,
    url: String,
    operation: &'a Operation,
    row: &'a Row,
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_commands_are_refused_and_store_nothing() {
    let world = World::start(harness::StackOptions::default()).await;
    let fixture = Fixture::build(&world).await;
    check_all(&world, &fixture, world.stack.command_url(0), &rows::commands(&fixture)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_reads_are_refused() {
    let world = World::start(harness::StackOptions::default()).await;
    let fixture = Fixture::build(&world).await;
    check_all(&world, &fixture, world.stack.query_url(0), &rows::reads(&fixture)).await;
}

async fn check_all(world: &World, fixture: &Fixture, url: String, rows: &[Row]) {
    let api = Api::fetch(world, &url).await;
    // The handshake of live connections has tests of its own.
    let described = api.operations().map(Operation::name).filter(|name| name != "GET /live").collect::<BTreeSet<_>>();
    let tested: BTreeSet<String> = rows.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(described, tested, "every operation that is described has a row, and no other");
    let log = world.log().await;
    for row in rows {
        let operation = api.operation(row.operation);
        let case = Case { world, log: &log, fixture, url: url.clone(), operation, row };
        case.check().await;
    }
    for (method, path) in api.undescribed_methods() {
        let answer = send(world.request(method.clone(), &format!("{url}{}", api::fill(&path, &[])))).await;
        answer.refused(405, "method-not-allowed");
    }
    send(world.request(Method::GET, &format!("{url}/no/such/path"))).await.refused(404, "not-found");
}

async fn send(request: RequestBuilder) -> Answer {
    let (asked, response) = respond(request).await;
    Answer::read(asked, response).await.unwrap()
}

/// Returns the method and path of the request, and the response before its body.
async fn respond(request: RequestBuilder) -> (String, Response) {
    let request = request.build().unwrap();
    let asked = format!("{} {}", request.method(), request.url().path());
    let response = reqwest::Client::builder().no_proxy().build().unwrap().execute(request).await;
    let response = response.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
    (asked, response)
}

fn with_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    if body.is_null() { request } else { request.json(body) }
}

impl Case<'_> {
    async fn check(&self) {
        let before = self.log.ends().await;
        if self.row.by != Who::Anonymous {
            self.wrong_callers().await;
        }
        self.wrong_paths().await;
        self.wrong_headers().await;
        self.too_much().await;
        self.wrong_queries().await;
        if !self.row.body.is_null() {
            self.wrong_bodies().await;
        }
        let stored = self.log.commits_of_callers_after(&before).await;
        assert!(stored.is_empty(), "{}: something was stored: {stored:#?}", self.row.operation);
        let request = self.request(&self.row.params).header("idempotency-key", new_key());
        if self.row.goes_on {
            assert_eq!(respond(request).await.1.status(), self.row.status, "{}", self.row.operation);
        } else {
            let answer = send(request).await;
            assert_eq!(answer.status, self.row.status, "the valid request is accepted: {answer}");
        }
    }

    /// The valid request with these path and query parameters, without token and body.
    fn bare(&self, params: &[(&str, String)], query: &[(&str, String)]) -> RequestBuilder {
        let path = api::fill(&self.operation.path, params);
        let mut url = Url::parse(&format!("{}{path}", self.url)).unwrap();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.world.request(self.operation.method.clone(), url.as_str())
    }

    fn authorized(&self, params: &[(&str, String)], query: &[(&str, String)], by: Who) -> RequestBuilder {
        let request = self.bare(params, query);
        match self.fixture.token(self.world, by) {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The valid request with these path parameters.
    fn request(&self, params: &[(&str, String)]) -> RequestBuilder {
        with_body(self.authorized(params, &self.row.query(), self.row.by), &self.row.body)
    }

    /// Checks that the request is refused like this, and that the OpenAPI document lists the problem.
    async fn refused(&self, request: RequestBuilder, status: u16, code: &str, why: &str) {
        let answer = send(request).await;
        let found = (answer.status.as_u16(), answer.problem_code());
        assert_eq!(found, (status, code.to_owned()), "{why}: {answer}");
        let documented = self.operation.problems.contains(&found);
        assert!(documented, "{} does not document {found:?}", self.row.operation);
    }

    async fn wrong_callers(&self) {
        let right = |request| with_body(request, &self.row.body);
        let bare = || self.bare(&self.row.params, &self.row.query());
        self.refused(right(bare()), 401, "missing-token", "no token").await;
        let expired = self.world.stack.token_signer().expired_token(Bearer::User("ana"));
        self.refused(right(bare().bearer_auth(expired)), 401, "expired-token", "an expired token").await;
        for strange in ["Bearer x.y.z", "Bearer", "Basic YW5hOmFuYQ==", "x"] {
            let request = bare().header(header::AUTHORIZATION, strange);
            self.refused(right(request), 401, "invalid-token", strange).await;
        }
        for (stranger, status, code) in &self.row.strangers {
            let request = right(self.authorized(&self.row.params, &self.row.query(), *stranger));
            self.refused(request, *status, code, &format!("by {stranger:?}")).await;
        }
    }

    async fn wrong_paths(&self) {
        for (index, (name, _)) in self.row.params.iter().enumerate() {
            let with = |value: &str| {
                let mut params = self.row.params.clone();
                value.clone_into(&mut params[index].1);
                params
            };
            for malformed in ["NEITHER%20AN%20ID", "%00", "%20", &"x".repeat(70)] {
                // A text that is no emoji may be a reaction of an earlier release.
                if *name == "emoji" && malformed.starts_with("NEITHER") {
                    continue;
                }
                let (status, code) = if *name == "emoji" { (422, "invalid-reaction") } else { (404, "not-found") };
                self.refused(self.request(&with(malformed)), status, code, malformed).await;
            }
            for (of, unknown, status, code) in &self.row.unknown {
                if of == name {
                    self.refused(self.request(&with(unknown)), *status, code, unknown).await;
                }
            }
        }
    }

    async fn wrong_headers(&self) {
        if self.row.goes_on || self.row.operation == "POST /live-tickets" {
            return;
        }
        if self.row.operation == "GET /sessions" {
            // Not a read of the read model.
        } else if self.operation.method == Method::GET {
            for position in ["", "x", "box-0.x.1", "user.00000000.99999999999999999999"] {
                let request = self.request(&self.row.params).header("min-position", position);
                self.refused(request, 400, "invalid-position", position).await;
            }
        } else if self.row.operation != "POST /sessions" {
            for key in ["", "two words", &"x".repeat(65)] {
                let request = self.request(&self.row.params).header("idempotency-key", key);
                self.refused(request, 400, "invalid-idempotency-key", key).await;
            }
        }
    }

    async fn too_much(&self) {
        let (mut query, much) = (self.row.query(), "x".repeat(33 << 10));
        query.push(("much", much.clone()));
        let request = with_body(self.authorized(&self.row.params, &query, self.row.by), &self.row.body);
        self.refused(request, 414, "uri-too-long", "33 KiB of query").await;
        let request = self.request(&self.row.params).header("x-much", much);
        self.refused(request, 431, "headers-too-large", "33 KiB of headers").await;
        // The HTTP server itself refuses this number of headers, without a problem body.
        let request = self.authorized(&self.row.params, &self.row.query(), self.row.by);
        let request = (0..100).fold(request, |request, number| request.header(format!("x-{number}"), "x"));
        assert_eq!(respond(request).await.1.status(), 431, "more than 100 headers: {}", self.row.operation);
    }

    async fn wrong_queries(&self) {
        if self.operation.method != Method::GET {
            return;
        }
        let surprise = self.read(&[("surprise", "1".to_owned())]);
        self.refused(surprise, 400, "invalid-query", "an unknown parameter").await;
        for (name, schema) in &self.operation.query {
            let code = if name == "cursor" { "invalid-cursor" } else { "invalid-query" };
            let wrong = wrong::parameters(schema);
            assert!(!wrong.is_empty() || self.row.unchecked.contains(&name.as_str()), "{name} has no wrong value");
            for value in wrong {
                let why = format!("{name}={value}");
                self.refused(self.read(&[(name, value)]), 400, code, &why).await;
            }
        }
        for wrong in &self.row.wrong_queries {
            let pairs: Vec<_> = wrong.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            self.refused(self.read(&pairs), 400, "invalid-query", &format!("{wrong:?}")).await;
        }
    }

    /// The valid read with these query parameters added, or replaced if present.
    fn read(&self, pairs: &[(&str, String)]) -> RequestBuilder {
        let mut query = self.row.query();
        query.retain(|(own, _)| pairs.iter().all(|(name, _)| name != own));
        query.extend(pairs.iter().cloned());
        self.authorized(&self.row.params, &query, self.row.by)
    }

    async fn wrong_bodies(&self) {
        let request = || self.authorized(&self.row.params, &[], self.row.by).header("idempotency-key", new_key());
        let text = |body: String| request().header(header::CONTENT_TYPE, "application/json").body(body);
        for garbage in ["", "{", "{]", "\u{0}", "x"] {
            if garbage.is_empty() && self.operation.body_is_optional {
                continue;
            }
            self.refused(text(garbage.to_owned()), 400, "malformed-json", garbage).await;
        }
        let as_text = request().header(header::CONTENT_TYPE, "text/plain").body(self.row.body.to_string());
        self.refused(as_text, 415, "unsupported-media-type", "plain text").await;
        self.refused(request().body(self.row.body.to_string()), 415, "unsupported-media-type", "no type").await;
        let padded = format!("{}{}", self.row.body, " ".repeat(2 << 20));
        self.refused(text(padded), 413, "body-too-large", "2 MB").await;
        for not_an_object in ["null", "[]", "\"text\"", "7", "true"] {
            if not_an_object == "null" && self.operation.body_is_optional {
                continue;
            }
            self.refused(text(not_an_object.to_owned()), 422, "invalid-body", not_an_object).await;
        }
        let schema = self.operation.body.as_ref().expect("the body has a schema");
        for (why, wrong) in wrong::bodies(schema, &self.row.body) {
            self.refused(request().json(&wrong), 422, "invalid-body", &why).await;
        }
        for (field, value, status, code) in &self.row.unknown_in_body {
            let mut body = self.row.body.clone();
            body[field] = json!(value);
            self.refused(request().json(&body), *status, code, &format!("{field}: {value}")).await;
        }
    }
}
