//! The description as an HTML page, without scripts and external resources.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

pub(super) const STYLE: &str = "body{font:16px system-ui;max-width:60em;margin:2em auto;padding:0 1em}\
    pre{background:#f4f4f4;padding:.5em;overflow:auto}table{border-collapse:collapse}\
    td,th{text-align:left;padding:.1em 1em .1em 0;vertical-align:top}";

/// Renders the body of the page of an AsyncAPI document.
pub(super) fn of(document: &Value) -> String {
    let mut page = format!(
        "<h1>Live</h1><p>{}</p><p><a href=\"/asyncapi.json\">AsyncAPI</a>, <a href=\"/docs/\">HTTP API</a></p>",
        escaped(&document["info"]["description"])
    );
    for channel in ["live", "events"] {
        let channel = &document["channels"][channel];
        let _ = write!(
            page,
            "<h2><code>GET {}</code></h2><p>{}</p>",
            escaped(&channel["address"]),
            escaped(&channel["description"])
        );
    }
    for operation in ["hear", "tell"] {
        let operation = &document["operations"][operation];
        let _ = write!(page, "<h2>{}</h2>", escaped(&operation["summary"]));
        for message in operation["messages"].as_array().into_iter().flatten() {
            let name = message["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            write_message(&mut page, &document["components"], name);
        }
    }
    page.push_str("<h2>Close codes</h2><table>");
    for close in document["x-close-codes"].as_array().into_iter().flatten() {
        let cells = ["code", "reason", "meaning", "advice"].map(|field| format!("<td>{}", escaped(&close[field])));
        let _ = write!(page, "<tr>{}", cells.concat());
    }
    page.push_str("</table>");
    page
}

fn write_message(page: &mut String, components: &Value, name: &str) {
    let message = &components["messages"][name];
    let (example, summary) = (escaped(&message["examples"][0]["payload"]), escaped(&message["summary"]));
    let _ = write!(page, "<h3 id=\"{name}\"><code>{name}</code></h3><p>{summary}</p><pre>{example}</pre>");
    let mut rows = String::new();
    write_fields(&mut rows, components, &components["schemas"][name], "");
    let _ = write!(page, "<table><tr><th>field<th>type<th>meaning{rows}</table>");
}

/// Writes a row for each field of an object, and of the objects in it.
fn write_fields(rows: &mut String, components: &Value, schema: &Value, prefix: &str) {
    let schema = resolved(components, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        write_fields(rows, components, part, prefix);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
        let required = schema["required"].as_array().into_iter().flatten().any(|required| required == name);
        let optional = if required { "" } else { ", optional" };
        let kind = kind_of(components, field);
        let meaning = field["description"].as_str().or(resolved(components, field)["description"].as_str());
        let meaning = escaped(&meaning.unwrap_or_default().into());
        let _ = write!(rows, "<tr><td><code>{prefix}{name}</code><td>{kind}{optional}<td>{meaning}");
        let (inner, path) = match resolved(components, field)["items"].clone() {
            Value::Null => (field.clone(), format!("{prefix}{name}.")),
            items => (items, format!("{prefix}{name}[].")),
        };
        write_fields(rows, components, &inner, &path);
    }
}

/// Returns the name of a field's type in terms of JSON, with its values if they are listed.
fn kind_of(components: &Value, schema: &Value) -> String {
    let schema = resolved(components, schema);
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().map(|value| format!("<code>{}</code>", escaped(value)));
        return values.collect::<Vec<_>>().join(" or ");
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let kinds = choices.iter().map(|choice| kind_of(components, choice)).collect::<BTreeSet<_>>();
        return kinds.into_iter().collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(escaped).collect::<Vec<_>>().join(" or "),
        Value::String(kind) if kind == "array" => format!("array of {}", kind_of(components, &schema["items"])),
        Value::String(kind) => schema["format"]
            .as_str()
            .filter(|format| *format == "date-time")
            .map_or_else(|| kind.clone(), |_| "time".to_owned()),
        _ => "object".to_owned(),
    }
}

/// Returns the schema that a reference leads to.
fn resolved<'a>(components: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some(name) => &components["schemas"][name],
        None => schema,
    }
}

/// Escapes a text for HTML. Any other value is escaped as JSON.
fn escaped(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
