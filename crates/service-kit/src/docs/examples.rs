//! Examples of the JSON responses in a description, made from the examples of ids and values in their schemas.

use serde_json::{Map, Value, json};

/// The time of every example.
const TIME: &str = "2026-03-01T12:00:00.125Z";

/// The maximum depth of an example.
const MAX_DEPTH: usize = 8;

/// The media types with an example.
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/problem+json"];

/// Adds an example to every JSON response that has none.
pub(super) fn add(document: &mut Value) {
    let components = document["components"]["schemas"].take();
    let paths = document["paths"].as_object_mut();
    let operations = paths.into_iter().flatten().filter_map(|(_, item)| item.as_object_mut()).flatten();
    let responses = operations.filter_map(|(_, operation)| operation["responses"].as_object_mut()).flatten();
    for (status, response) in responses {
        for media_type in MEDIA_TYPES {
            let Some(content) = response.pointer_mut(&format!("/content/{}", media_type.replace('/', "~1"))) else {
                continue;
            };
            if content.get("example").is_none() {
                let mut example = of(&components, &content["schema"], 0);
                if media_type == "application/problem+json" {
                    complete_problem(&mut example, status, &content["schema"]);
                }
                content["example"] = example;
            }
        }
    }
    document["components"]["schemas"] = components;
}

/// Sets status and code of a problem to those of this response.
fn complete_problem(example: &mut Value, status: &str, schema: &Value) {
    let code = schema.pointer("/allOf/1/properties/code/enum/0").cloned().unwrap_or_default();
    example["type"] = json!(format!("/docs/problems#{}", code.as_str().unwrap_or_default()));
    example["code"] = code;
    example["status"] = json!(status.parse::<u16>().unwrap_or_default());
    if let Some(example) = example.as_object_mut().filter(|example| example["code"] != "invalid-body") {
        example.remove("errors");
    }
}

/// Returns an example of a schema.
fn of(components: &Value, schema: &Value, depth: usize) -> Value {
    let given = schema.get("example").or_else(|| schema.pointer("/examples/0")).or_else(|| schema.pointer("/enum/0"));
    if let Some(example) = given.or(schema.get("default")) {
        return example.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return if depth < MAX_DEPTH { of(components, &components[name], depth + 1) } else { json!({}) };
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| of(components, part, depth + 1));
        return parts.filter_map(|part| part.as_object().cloned()).flatten().collect::<Map<_, _>>().into();
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let choice = choices.iter().find(|choice| choice["type"] != "null").unwrap_or(&Value::Null);
        return of(components, choice, depth + 1);
    }
    let kinds = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
    match kinds.iter().find_map(Value::as_str).unwrap_or("object") {
        "string" if schema["format"] == "date-time" => json!(TIME),
        "string" => json!("text"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "array" if depth < MAX_DEPTH => json!([of(components, &schema["items"], depth + 1)]),
        "array" => json!([]),
        "null" => Value::Null,
        _ => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let mut object: Map<_, _> =
                fields.map(|(name, field)| (name.clone(), of(components, field, depth + 1))).collect();
            if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
                let name = of(components, &schema["propertyNames"], depth + 1);
                object.insert(name.as_str().unwrap_or("name").to_owned(), of(components, values, depth + 1));
            }
            object.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_gets_an_example_of_its_schema() {
        let mut document = json!({
            "paths": { "/a": { "get": { "responses": {
                "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Page" } } } },
                "404": { "content": { "application/problem+json": { "schema": { "allOf": [
                    { "$ref": "#/components/schemas/Problem" },
                    { "properties": { "code": { "enum": ["box-not-found"] } } },
                ] } } } },
                "204": { "description": "nothing" },
            } } } },
            "components": { "schemas": {
                "Page": { "type": "object", "properties": {
                    "items": { "type": "array", "items": { "type": "string", "examples": ["ana"] } },
                    "next": { "type": ["string", "null"], "format": "date-time" },
                    "count": { "type": "integer", "minimum": 2 },
                } },
                "Problem": { "type": "object", "properties": { "code": { "type": "string" } } },
            } },
        });
        add(&mut document);
        let example = |status: &str, media_type: &str| {
            document["paths"]["/a"]["get"]["responses"][status]["content"][media_type]["example"].clone()
        };
        assert_eq!(example("200", "application/json"), json!({ "items": ["ana"], "next": TIME, "count": 2 }));
        let problem = example("404", "application/problem+json");
        assert_eq!(problem, json!({ "type": "/docs/problems#box-not-found", "code": "box-not-found", "status": 404 }));
        assert!(document["components"]["schemas"]["Page"].is_object());
    }
}
