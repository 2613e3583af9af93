//! Checks live frames against `/asyncapi.json`, down to the last field. For tests.
//!
//! Uses AsyncAPI and JSON Schema only. The names of the two operations are all that is specific to Boxroom.

use std::{collections::BTreeMap, sync::OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// Validators of the frames that a document describes.
#[derive(Debug)]
pub struct FrameCheck {
    components: Value,
    client: Frames,
    server: Frames,
}

/// Validators by frame type, each compiled at its first use.
type Frames = BTreeMap<String, OnceLock<Validator>>;

impl FrameCheck {
    /// Creates the validators of this AsyncAPI document.
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

    /// Checks a frame that a client sends. The error explains the first mismatch.
    pub fn client(&self, frame: &Value) -> Result<(), String> {
        self.check(&self.client, frame)
    }

    /// Checks a frame that the service sends. The error explains the first mismatch.
    pub fn server(&self, frame: &Value) -> Result<(), String> {
        self.check(&self.server, frame)
    }

    /// Returns an example of each frame that a client sends.
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

/// Forbids undescribed fields. The document allows them, because clients ignore unknown fields, but a test must notice.
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
            "properties": {
                "type": { "enum": ["posted"] },
                "at": { "type": "string", "format": "date-time" },
                "data": data,
            },
            "required": ["type", "data"],
        });
        let sign = json!({ "oneOf": [{ "properties": { "user": { "type": "string" } }, "required": ["user"] }] });
        let signal = json!({ "allOf": [{ "$ref": "#/components/schemas/Sign" }, { "properties": { "type": {} } }] });
        let references = json!([{ "$ref": "#/x/posted" }, { "$ref": "#/x/signal" }]);
        FrameCheck::new(&json!({
            "components": {
                "messages": { "posted": {}, "signal": {} },
                "schemas": { "posted": posted, "signal": signal, "Sign": sign },
            },
            "operations": { "hear": { "messages": [] }, "tell": { "messages": references } },
        }))
    }

    #[test]
    fn a_frame_has_exactly_the_described_fields() {
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
    fn an_undescribed_frame_is_rejected() {
        let check = check();
        assert!(check.server(&json!({ "type": "dance" })).is_err());
        assert!(check.server(&json!({})).is_err());
        assert!(check.client(&json!({ "type": "posted", "data": { "body": "hi" } })).is_err(), "the server says that");
    }
}
