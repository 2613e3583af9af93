//! Whether live frames are as `/asyncapi.json` describes them, to the last field. For tests.
//!
//! Knows AsyncAPI and JSON Schema, and of Boxroom nothing but the names of the two operations.

use std::{collections::BTreeMap, sync::OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The frames of a description.
#[derive(Debug)]
pub struct FrameCheck {
    components: Value,
    client: Frames,
    server: Frames,
}

/// By their types; compiled when first met.
type Frames = BTreeMap<String, OnceLock<Validator>>;

impl FrameCheck {
    /// Of this AsyncAPI document.
    pub fn new(document: &Value) -> Self {
        let mut components = document["components"].clone();
        for (name, schema) in components["schemas"].as_object_mut().into_iter().flatten() {
            if document["components"]["messages"][name].is_object() {
                close(schema);
            }
        }
        let frames = |operation: &str| {
            let messages = document["operations"][operation]["messages"].as_array().into_iter().flatten();
            let name = |message: &Value| Some(message["$ref"].as_str()?.rsplit('/').next()?.to_owned());
            messages.filter_map(name).map(|name| (name, OnceLock::new())).collect()
        };
        Self { client: frames("hear"), server: frames("tell"), components }
    }

    /// Whether a client may say this; why not, if not.
    pub fn client(&self, frame: &Value) -> Result<(), String> {
        self.check(&self.client, frame)
    }

    /// Whether the service may say this; why not, if not.
    pub fn server(&self, frame: &Value) -> Result<(), String> {
        self.check(&self.server, frame)
    }

    /// An example of each of a client's frames.
    pub fn client_examples(&self) -> impl Iterator<Item = &Value> {
        self.client.keys().map(|name| &self.components["messages"][name]["examples"][0]["payload"])
    }

    fn check(&self, frames: &Frames, frame: &Value) -> Result<(), String> {
        let name = frame["type"].as_str().ok_or_else(|| format!("{frame} has no type"))?;
        let validator = frames.get(name).ok_or_else(|| format!("{frame} has an unknown type"))?;
        let validator = validator.get_or_init(|| self.compile(name));
        let errors: Vec<String> =
            validator.iter_errors(frame).map(|error| format!("{} ({})", error, error.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(format!("{frame}: {}", errors.join("; "))) }
    }

    fn compile(&self, name: &str) -> Validator {
        let schema = json!({ "components": self.components, "$ref": format!("#/components/schemas/{name}") });
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).unwrap_or_else(|error| panic!("the schema of {name}: {error}"))
    }
}

/// Clients leave aside what they do not know, so that the description says nothing of further fields; a test minds them.
fn close(schema: &mut Value) {
    schema["unevaluatedProperties"] = json!(false);
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (_, field) in fields.into_iter().flatten() {
        if field["type"] == "object" && field.get("additionalProperties").is_none() {
            close(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> FrameCheck {
        let data = json!({ "type": "object", "properties": { "body": { "type": "string" } }, "required": ["body"] });
        let posted = json!({
            "type": "object",
            "properties": { "type": { "enum": ["posted"] }, "at": { "type": "string", "format": "date-time" }, "data": data },
            "required": ["type", "data"],
        });
        let sign = json!({ "oneOf": [{ "properties": { "user": { "type": "string" } }, "required": ["user"] }] });
        let signal = json!({ "allOf": [{ "$ref": "#/components/schemas/Sign" }, { "properties": { "type": {} } }] });
        let references = json!([{ "$ref": "#/x/posted" }, { "$ref": "#/x/signal" }]);
        FrameCheck::new(&json!({
            "components": { "messages": { "posted": {}, "signal": {} }, "schemas": { "posted": posted, "signal": signal, "Sign": sign } },
            "operations": { "hear": { "messages": [] }, "tell": { "messages": references } },
        }))
    }

    #[test]
    fn a_frame_has_the_fields_that_are_described_and_no_other() {
        let check = check();
        let posted = json!({ "type": "posted", "at": "2026-01-02T03:04:05Z", "data": { "body": "hi" } });
        assert_eq!(check.server(&posted), Ok(()));
        assert_eq!(check.server(&json!({ "type": "signal", "user": "ana" })), Ok(()));
        for (path, value) in [
            ("at", json!("now")),
            ("more", json!(1)),
            ("data", json!({})),
            ("data", json!({ "body": "hi", "more": 1 })),
        ] {
            let mut wrong = posted.clone();
            wrong[path] = value;
            assert!(check.server(&wrong).is_err(), "{wrong}");
        }
        assert!(check.server(&json!({ "type": "signal", "user": "ana", "more": 1 })).is_err());
    }

    #[test]
    fn what_is_not_described_at_all_is_no_frame() {
        let check = check();
        assert!(check.server(&json!({ "type": "dance" })).is_err());
        assert!(check.server(&json!({})).is_err());
        assert!(check.client(&json!({ "type": "posted", "data": { "body": "hi" } })).is_err(), "the server says that");
    }
}
