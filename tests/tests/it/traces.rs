//! One trace from the client's command to the frame for the members, as a collector receives it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, body::Bytes, extract::State, routing::post};
use harness::{ServiceId, StackOptions};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value as Attribute,
};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::wait::eventually;
use tokio::net::TcpListener;

const KEPT: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const NOT_KEPT: u128 = 0x5bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4737;

/// The span of the client.
const CLIENT: u64 = 0x00f0_67aa_0ba9_02b7;

const SERVICES: [ServiceId; 3] = [ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0)];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    service: String,
    name: String,
    trace: u128,
    id: u64,
    parent: u64,
}

/// A collector of OTLP spans over HTTP.
#[derive(Debug, Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Starts the collector. Returns it with its address.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        (collector, address)
    }

    fn of(&self, trace: u128) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    async fn find(&self, trace: u128, service: &str, name: &str) -> Span {
        eventually(&format!("{service} sends {name}"), async || {
            self.of(trace).into_iter().find(|span| span.service == service && span.name == name)
        })
        .await
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let id = |bytes: Vec<u8>| bytes.try_into().map(u64::from_be_bytes).unwrap_or_default();
    for group in request.resource_spans {
        let attributes = group.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let service = match service.and_then(|service| service.value?.value) {
            Some(Attribute::StringValue(service)) => service,
            other => panic!("no service name: {other:?}"),
        };
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| Span {
            service: service.clone(),
            name: span.name,
            trace: u128::from_be_bytes(span.trace_id.try_into().unwrap()),
            id: id(span.span_id),
            parent: id(span.parent_span_id),
        });
        collector.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
    }
}

/// Posts a message in a trace that the client samples, or does not.
async fn say(world: &World, person: &Person, room: &str, trace: u128, kept: bool) -> Value {
    let traceparent = format!("00-{trace:032x}-{CLIENT:016x}-{:02x}", u8::from(kept));
    let url = format!("{}/rooms/{room}/messages", world.stack.command_url(0));
    let request = world.request(Method::POST, &url).bearer_auth(person.token()).header("traceparent", traceparent);
    let answer = request.header("content-type", "application/json").body(json!({ "body": "traced" }).to_string());
    answer.send().await.unwrap().text().await.unwrap().parse().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_one_trace_up_to_the_pushed_frame() {
    let (collector, endpoint) = Collector::start().await;
    let settings = SERVICES.into_iter().flat_map(|service| {
        [
            (service, "OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.clone()),
            (service, "OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
            (service, "BOXROOM_LOG_FORMAT", "json".to_owned()),
            (service, "BOXROOM_LOG", "info,service_kit=debug".to_owned()),
        ]
    });
    let world = World::start(StackOptions { env: settings.collect(), ..StackOptions::default() }).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    let mut live = world.follow(&ana, &room, 0).await;

    say(&world, &ana, &room, NOT_KEPT, false).await;
    live.until_version(&room, 2).await;
    say(&world, &ana, &room, KEPT, true).await;
    live.until_version(&room, 3).await;

    let request = collector.find(KEPT, "command-service", "POST /rooms/{room}/messages").await;
    let append = collector.find(KEPT, "command-service", "append").await;
    let project = collector.find(KEPT, "projector", "project").await;
    let push = collector.find(KEPT, "query-service", "push").await;
    assert_eq!(request.parent, CLIENT);
    assert_eq!((append.parent, &project.parent), (request.id, &request.id));
    assert_eq!(push.parent, project.id);
    assert_eq!(collector.of(KEPT).len(), 4, "{:#?}", collector.of(KEPT));
    assert_eq!(collector.of(NOT_KEPT), [], "an unsampled trace is not exported");

    say(&world, &ana, "box-9.1", KEPT, true).await;
    let refusal = eventually("the refusal is in the log", async || {
        let log = world.stack.last_output(ServiceId::Command(0)).await;
        log.lines().find(|line| line.contains("request refused")).map(str::to_owned)
    })
    .await;
    let refusal: Value = refusal[refusal.find('{').unwrap()..].parse().unwrap();
    assert_eq!(refusal["problem.code"], "room-not-found", "{refusal:#}");
    let span = &refusal["span"];
    assert_eq!(
        (&span["trace_id"], &span["http.route"]),
        (&json!(format!("{KEPT:032x}")), &json!("/rooms/{room}/messages")),
        "{refusal:#}"
    );
    assert!(span["request.id"].is_string(), "{refusal:#}");
}
