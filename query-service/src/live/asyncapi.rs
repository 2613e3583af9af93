//! The description of the live protocol, generated from the types of its frames: `/asyncapi.json` and an HTML page.

use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use read_model::feed::RoomEvent;
use serde_json::{Map, Value, json};
use service_kit::docs::Page;
use utoipa::{IntoParams, ToSchema};

use super::{
    PROTOCOL,
    close_reason::CloseReason,
    events::OpenEvents,
    frames::{ClientFrame, MAX_FRAME, MAX_HELLO, ServerFrame},
};
use crate::{schemas, views::EventView};

mod page;
#[cfg(test)]
mod tests;

/// An example of each frame, by its type.
const EXAMPLES: &str = include_str!("asyncapi/examples.json");

const DESCRIPTION: &str = "\
    Events of rooms in real time: over a WebSocket, or as server-sent events for clients that only listen. Every \
    frame is one JSON object with a `type`. An event of a room has a version `v`: 1, 2, 3 ... in each room, \
    without gaps or repetitions. Later versions may add fields and types: a client must ignore those that it \
    does not know. A client's own frames must have no other fields than these.";

/// Returns the routes of the document and of the page.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let document = document();
    let page = Page::new("Live", page::STYLE, &page::of(&document));
    let document = document.to_string();
    let document = async move || ([(CONTENT_TYPE, "application/json")], document.clone()).into_response();
    Router::new().route("/asyncapi.json", get(document)).route("/docs/live", get(async move || page.clone()))
}

/// A type of frame.
#[derive(Clone)]
struct Message {
    name: String,
    summary: String,
    schema: Value,
}

/// Returns the AsyncAPI 3.0 document.
fn document() -> Value {
    let (received, sent) = (client_frames(), [server_frames(), events()].concat());
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).expect("the examples are an object");
    let message = |message: &Message| {
        let described = json!({
            "name": message.name,
            "summary": message.summary,
            "contentType": "application/json",
            "payload": { "$ref": format!("#/components/schemas/{}", message.name) },
            "examples": [{ "payload": examples.get(&message.name) }],
        });
        (message.name.clone(), described)
    };
    let messages: Map<String, Value> = received.iter().chain(&sent).map(message).collect();
    let mut schemas = parts();
    schemas.extend(received.iter().chain(&sent).map(|message| (message.name.clone(), message.schema.clone())));
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Boxroom: live", "version": "1", "description": DESCRIPTION },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": { "live": live_channel(&[&received[..], &sent].concat()), "events": events_channel(&sent) },
        "operations": {
            "hear": operation("receive", "live", "Frames from the client", &received),
            "tell": operation("send", "live", "Frames from the server", &sent),
            "stream": operation("send", "events", "The same frames for clients that only listen", &sent),
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
        "x-close-codes": close_codes(),
    })
}

fn client_frames() -> Vec<Message> {
    let mut frames = variants::<ClientFrame>();
    for frame in &mut frames {
        // Serde rejects unknown fields in every variant, but the derived schema states this for plain structs only.
        frame.schema["additionalProperties"] = json!(false);
    }
    frames
}

fn server_frames() -> Vec<Message> {
    variants::<ServerFrame<'_>>()
}

/// Returns the events of rooms: the common fields, with each type and its details.
fn events() -> Vec<Message> {
    let mut events = variants::<RoomEvent>();
    for event in &mut events {
        let mut frame = json!(EventView::envelope());
        frame["properties"]["room_id"] = json!(schemas::room_id());
        for field in ["type", "data"] {
            frame["properties"][field] = event.schema["properties"][field].take();
        }
        frame["required"] = json!(["room_id", "v", "type", "at", "by", "data"]);
        frame["description"] = json!(event.summary);
        event.schema = frame;
    }
    events
}

/// Returns the variants of an enum that has its `type` among its fields.
fn variants<T: ToSchema>() -> Vec<Message> {
    let mut schema = json!(T::schema());
    let Value::Array(variants) = schema["oneOf"].take() else { return Vec::new() };
    variants.into_iter().filter_map(Message::of).collect()
}

impl Message {
    fn of(schema: Value) -> Option<Self> {
        let parts = schema["allOf"].as_array().map_or(std::slice::from_ref(&schema), Vec::as_slice);
        let name = parts.iter().find_map(|part| part["properties"]["type"]["enum"][0].as_str())?.to_owned();
        // If the details are a schema of their own, the description is theirs.
        let descriptions = [&schema["description"], &schema["properties"]["data"]["description"]];
        let summary = descriptions.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned();
        Some(Self { name, summary, schema })
    }
}

/// Returns the schemas that the frames refer to.
fn parts() -> Map<String, Value> {
    let mut parts = Vec::new();
    ClientFrame::schemas(&mut parts);
    ServerFrame::schemas(&mut parts);
    RoomEvent::schemas(&mut parts);
    parts.into_iter().map(|(name, schema)| (name, json!(schema))).collect()
}

fn servers() -> Value {
    let server = |protocol: &str, what: &str| {
        json!({
            "host": "{host}",
            "protocol": protocol,
            "description": what,
            "variables": { "host": { "default": "127.0.0.1:8081", "description": "Any query-service" } },
        })
    };
    json!({ "websocket": server("ws", "WebSocket"), "http": server("http", "Server-sent events") })
}

fn live_channel(messages: &[Message]) -> Value {
    let protocol = json!({ "type": "object", "properties": { "Sec-WebSocket-Protocol": { "const": PROTOCOL } } });
    json!({
        "address": "/live",
        "title": "WebSocket",
        "description": format!(
            "Subprotocol `{PROTOCOL}`. The first frame is a `hello`, within 10 seconds. A client's frame has at most \
             {MAX_FRAME} bytes, a hello {MAX_HELLO}. The server sends `bye` before it closes, with one of the codes in \
             `x-close-codes`."
        ),
        "servers": [{ "$ref": "#/servers/websocket" }],
        "messages": references(messages),
        "bindings": { "ws": { "method": "GET", "headers": protocol, "bindingVersion": "0.1.0" } },
    })
}

fn events_channel(messages: &[Message]) -> Value {
    json!({
        "address": "/events",
        "title": "Server-sent events",
        "description": "`data` is the frame and `event` its `type`. An `id` is a cursor: as `Last-Event-ID` or as \
                        `cursor`, it resumes the stream at any instance.",
        "servers": [{ "$ref": "#/servers/http" }],
        "messages": references(messages),
    })
}

fn references(messages: &[Message]) -> Map<String, Value> {
    let reference = |Message { name, .. }: &Message| json!({ "$ref": format!("#/components/messages/{name}") });
    messages.iter().map(|message| (message.name.clone(), reference(message))).collect()
}

fn operation(action: &str, channel: &str, summary: &str, messages: &[Message]) -> Value {
    let reference = |Message { name, .. }: &Message| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    let mut operation = json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "messages": messages.iter().map(reference).collect::<Vec<_>>(),
    });
    if channel == "events" {
        operation["security"] = json!([{ "$ref": "#/components/securitySchemes/token" }]);
        operation["bindings"] = json!({ "http": { "method": "GET", "query": query(), "bindingVersion": "0.3.0" } });
    }
    operation
}

/// Returns the schema of the query of `/events`.
fn query() -> Value {
    let parameters = OpenEvents::into_params(|| None).into_iter();
    let described = parameters.filter_map(|parameter| {
        let mut schema = json!(parameter.schema?);
        if let Some(description) = parameter.description {
            schema["description"] = json!(description);
        }
        Some((parameter.name, schema))
    });
    json!({ "type": "object", "properties": described.collect::<Map<_, _>>(), "additionalProperties": false })
}

fn close_codes() -> Value {
    let described = |close_reason: &CloseReason| {
        json!({
            "code": close_reason.code(),
            "reason": close_reason.reason(),
            "meaning": close_reason.meaning(),
            "advice": close_reason.advice(),
        })
    };
    CloseReason::ALL.iter().map(described).collect()
}
