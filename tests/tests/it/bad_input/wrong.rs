//! Derives wrong values from a schema: another type, missing, unknown, too long, out of bounds.

use serde_json::{Value, json};

/// Returns the wrong variants of a valid body that its schema suggests, each with its defect.
pub(crate) fn bodies(schema: &Value, right: &Value) -> Vec<(String, Value)> {
    let mut wrong = Vec::new();
    let mut with = |why: String, change: &dyn Fn(&mut Value)| {
        let mut body = right.clone();
        change(&mut body);
        wrong.push((why, body));
    };
    with("an unknown field".to_owned(), &|body| body["surprise"] = json!(1));
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for name in &required {
        with(format!("no {name}"), &|body| {
            body.as_object_mut().unwrap().remove(*name);
        });
        with(format!("null as {name}"), &|body| body[*name] = Value::Null);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        for value in values(property) {
            with(format!("{name}: {value}"), &|body| body[name] = value.clone());
        }
    }
    wrong
}

/// Returns the wrong values of a query parameter that its schema suggests.
pub(crate) fn parameters(schema: &Value) -> Vec<String> {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let wrong = match kind(schema) {
        "integer" => {
            let mut wrong = bounds(schema);
            wrong.extend(["x", "", "1.5", "-1", "99999999999999999999"].map(Value::from));
            wrong
        }
        "boolean" => ["perhaps", "", "1"].map(Value::from).to_vec(),
        _ if schema["format"] == "date-time" => {
            ["x", "", "2026-01-01", "2026-13-01T00:00:00Z"].map(Value::from).to_vec()
        }
        _ => texts(schema),
    };
    wrong.into_iter().map(text).collect()
}

fn values(schema: &Value) -> Vec<Value> {
    let other_types: &[Value] = &match kind(schema) {
        "string" => vec![json!(7), json!(true), json!([]), json!({})],
        "integer" => vec![json!("7"), json!(true), json!([]), json!(1.5), json!(99_999_999_999_999_u64)],
        "number" => vec![json!("7"), json!(true), json!([])],
        "boolean" => vec![json!("true"), json!(1), json!([])],
        _ => vec![json!("text"), json!(7), json!(true), json!({ "surprise": true })],
    };
    let inside = match kind(schema) {
        "string" => texts(schema),
        "integer" | "number" => bounds(schema),
        _ => Vec::new(),
    };
    other_types.iter().cloned().chain(inside).collect()
}

/// Returns the type in the schema, ignoring null.
fn kind(schema: &Value) -> &str {
    let kinds = schema["type"].as_array().into_iter().flatten().chain([&schema["type"]]);
    kinds.filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("object")
}

fn texts(schema: &Value) -> Vec<Value> {
    let mut wrong = Vec::new();
    if schema["enum"].is_array() {
        wrong.push(json!("no such thing"));
    }
    if let Some(longest) = schema["maxLength"].as_u64() {
        wrong.push(json!("x".repeat(usize::try_from(longest).unwrap() + 1)));
    }
    if schema["minLength"].as_u64().is_some_and(|shortest| shortest > 0) {
        wrong.push(json!(""));
    }
    match schema["pattern"].as_str() {
        // Patterns are either of ids or of texts with at least one visible character.
        Some(pattern) if pattern.starts_with("^[a-z0-9]") || pattern.starts_with("^[1-9]") => {
            wrong.extend(["NOT AN ID", "a.b.c", "*", ">", "ä", "-"].map(Value::from));
        }
        Some(_) => wrong.extend([" \n ", "a\u{0}b"].map(Value::from)),
        None => {}
    }
    wrong
}

fn bounds(schema: &Value) -> Vec<Value> {
    let below = schema["minimum"].as_f64().map(|least| least - 1.0);
    let above = schema["maximum"].as_f64().map(|most| most + 1.0);
    let outside = [below, above].into_iter().flatten();
    #[expect(clippy::cast_possible_truncation, reason = "bounds are small whole numbers")]
    outside.map(|bound| json!(bound as i64)).collect()
}
