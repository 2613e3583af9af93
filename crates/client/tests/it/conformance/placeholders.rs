//! Comparison with the placeholders of scenarios.

use std::collections::BTreeMap;

use serde_json::Value;

/// The values that a scenario has saved, and the addresses of its servers.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    saved: BTreeMap<String, Value>,
    urls: Vec<String>,
}

impl Bindings {
    pub(super) fn new(urls: Vec<String>) -> Self {
        Self { saved: BTreeMap::new(), urls }
    }

    /// Replaces `$use` by saved values.
    pub(super) fn fill(&self, value: &Value) -> Value {
        match value {
            Value::Array(values) => values.iter().map(|value| self.fill(value)).collect(),
            Value::Object(fields) => match fields.get("$use").and_then(Value::as_str) {
                Some(name) => self.saved[name].clone(),
                None => fields.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect(),
            },
            other => other.clone(),
        }
    }

    /// Compares a value with an expected one. If `partial`, objects may have more fields.
    pub(super) fn matches(&mut self, actual: &Value, expected: &Value, partial: bool) -> bool {
        match expected {
            Value::Array(expected) => actual.as_array().is_some_and(|actual| {
                let mut pairs = actual.iter().zip(expected);
                actual.len() == expected.len() && pairs.all(|(actual, one)| self.matches(actual, one, partial))
            }),
            Value::Object(fields) => {
                if fields.contains_key("$any") {
                    return true;
                }
                if let Some(name) = fields.get("$save").and_then(Value::as_str) {
                    self.saved.insert(name.to_owned(), actual.clone());
                    return true;
                }
                if let Some(name) = fields.get("$use").and_then(Value::as_str) {
                    return self.saved.get(name) == Some(actual);
                }
                if let Some(least) = fields.get("$at_least").and_then(Value::as_f64) {
                    return actual.as_f64().is_some_and(|number| number >= least);
                }
                if let Some(index) = fields.get("$url").and_then(Value::as_u64) {
                    return usize::try_from(index).is_ok_and(|index| *actual == self.urls[index].as_str());
                }
                let Some(actual) = actual.as_object() else { return false };
                (partial || actual.keys().all(|name| fields.contains_key(name)))
                    && fields
                        .iter()
                        .all(|(name, one)| self.matches(actual.get(name).unwrap_or(&Value::Null), one, partial))
            }
            other => actual == other,
        }
    }
}
