//! The description of the live protocol, made from the types of its frames: `/asyncapi.json`, and a page to read.

use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use read_model::feed::RoomEvent;
use serde_json::{Map, Value, json};
use service_kit::docs::Page;
use utoipa::{IntoParams, ToSchema};

use super::{
    PROTOCOL,
    events::OpenEvents,
    farewell::Farewell,
    frames::{ClientFrame, MAX_FRAME, MAX_HELLO, ServerFrame},
};
use crate::{schemas, views::EventView};

mod page;
#[cfg(test)]
mod tests;

/// One of each frame, by its type.
const EXAMPLES: &str = include_str!("asyncapi/examples.json");

const ABOUT: &str = "What happens in rooms, as it happens: over a WebSocket, or as server-sent events for clients that \
    only listen. Every frame is one JSON object with a `type`. What happened in a room has a version `v`: 1, 2, 3 ... in \
    each room, without a gap and without a repetition. Frames may get further fields, and there may be further types: a \
    client leaves aside what it does not know. A client's own frames must have no other fields than these.";

/// Serves the description and the page.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let document = document();
    let page = Page::new("Live", page::STYLE, &page::of(&document));
    let document = document.to_string();
    let document = async move || ([(CONTENT_TYPE, "application/json")], document.clone()).into_response();
    Router::new().route("/asyncapi.json", get(document)).route("/docs/live", get(async move || page.clone()))
}

/// One type of frame.
#[derive(Clone)]
struct Message {
    name: String,
    summary: String,
    schema: Value,
}

/// The whole description (AsyncAPI 3.0).
fn document() -> Value {
    let (heard, told) = (client_frames(), [server_frames(), events()].concat());
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
    let messages: Map<String, Value> = heard.iter().chain(&told).map(message).collect();
    let mut schemas = parts();
    schemas.extend(heard.iter().chain(&told).map(|message| (message.name.clone(), message.schema.clone())));
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "Boxroom: live", "version": "1", "description": ABOUT },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": { "live": live_channel(&[&heard[..], &told].concat()), "events": events_channel(&told) },
        "operations": {
            "hear": operation("receive", "live", "What a client says", &heard),
            "tell": operation("send", "live", "What the service says", &told),
            "stream": operation("send", "events", "The same to clients that only listen", &told),
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
        // serde refuses them in every variant, where the derived schema says so of plain structs only
        frame.schema["additionalProperties"] = json!(false);
    }
    frames
}

fn server_frames() -> Vec<Message> {
    variants::<ServerFrame<'_>>()
}

/// What happens in rooms: the type and its details, and what all of them have.
fn events() -> Vec<Message> {
    let mut events = variants::<RoomEvent>();
    for event in &mut events {
        let mut frame = json!(EventView::envelope());
        frame["properties"]["room"] = json!(schemas::room_id());
        for field in ["type", "data"] {
            frame["properties"][field] = event.schema["properties"][field].take();
        }
        frame["required"] = json!(["room", "v", "type", "at", "by", "data"]);
        frame["description"] = json!(event.summary);
        event.schema = frame;
    }
    events
}

/// The variants of an enum that has its `type` among its fields.
fn variants<T: ToSchema>() -> Vec<Message> {
    let mut schema = json!(T::schema());
    let Value::Array(variants) = schema["oneOf"].take() else { return Vec::new() };
    variants.into_iter().filter_map(Message::of).collect()
}

impl Message {
    fn of(schema: Value) -> Option<Self> {
        let parts = schema["allOf"].as_array().map_or(std::slice::from_ref(&schema), Vec::as_slice);
        let name = parts.iter().find_map(|part| part["properties"]["type"]["enum"][0].as_str())?.to_owned();
        // where the details stand apart, so does what is said of them
        let said = [&schema["description"], &schema["properties"]["data"]["description"]];
        let summary = said.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned();
        Some(Self { name, summary, schema })
    }
}

/// What the frames are made of.
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
            "variables": { "host": { "default": "127.0.0.1:8081", "description": "A query-service, any of them" } },
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
            "Subprotocol `{PROTOCOL}`. The first frame is a `hello`, within 10 seconds. A frame of a client has {MAX_FRAME} \
             bytes at most, a hello {MAX_HELLO}. Before the service closes it says `bye`; `x-close-codes` has the codes."
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
        "description": "`data` is the frame and `event` its `type`. An `id` is the cursor with which any instance goes on \
                        from there, as `Last-Event-ID` or as `cursor`.",
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

/// The parameters of `/events`.
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
    let described = |farewell: &Farewell| {
        json!({
            "code": farewell.code(),
            "reason": farewell.reason(),
            "meaning": farewell.meaning(),
            "advice": farewell.advice(),
        })
    };
    Farewell::ALL.iter().map(described).collect()
}
