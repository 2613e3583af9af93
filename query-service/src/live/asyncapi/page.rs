//! The description as an HTML page, without scripts and external resources.

use std::fmt::Write;

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
            write_message(&mut page, &document["components"]["messages"][name]);
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

fn write_message(page: &mut String, message: &Value) {
    let name = escaped(&message["name"]);
    let example = escaped(&message["examples"][0]["payload"]);
    let summary = escaped(&message["summary"]);
    let _ = write!(page, "<h3 id=\"{name}\"><code>{name}</code></h3><p>{summary}</p><pre>{example}</pre>");
}

/// Escapes a text for HTML. Any other value is escaped as JSON.
fn escaped(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
