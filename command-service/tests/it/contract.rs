//! The OpenAPI description of the service, and a check of answers against it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use testing::Answer;

/// An OpenAPI description.
pub(crate) struct Contract(Value);

impl Contract {
    pub(crate) fn new(document: Value) -> Self {
        Self(document)
    }

    /// Checks that the description contains the answer: its status and, for a problem, its code.
    #[track_caller]
    pub(crate) fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let Some(operation) = self.operation(method, path) else { return };
        let response = &operation["responses"][answer.status.as_str()];
        assert!(response.is_object(), "{answer} is not described");
        if answer.status.as_u16() >= 400 {
            let schema = &response["content"]["application/problem+json"]["schema"];
            let codes = schema.pointer("/allOf/1/properties/code/enum").and_then(Value::as_array).unwrap();
            assert!(codes.contains(&answer.json()["code"]), "{answer} is not described");
        }
    }

    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let paths = self.0["paths"].as_object().unwrap();
        // A literal segment wins over a parameter.
        let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template, path)).collect();
        found.sort_by_key(|(template, _)| template.matches('{').count());
        found.first().and_then(|(_, item)| item.get(method.as_str().to_lowercase()))
    }

    /// Returns the id and the description of every operation.
    pub(crate) fn operations(&self) -> Vec<(String, &Value)> {
        let paths = self.0["paths"].as_object().unwrap();
        let items = paths.values().flat_map(|item| item.as_object().unwrap().values());
        items.map(|operation| (operation["operationId"].as_str().unwrap().to_owned(), operation)).collect()
    }

    /// Returns every problem code that an operation can return.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        let responses = self
            .operations()
            .into_iter()
            .flat_map(|(_, operation)| operation["responses"].as_object().unwrap().values().collect::<Vec<_>>());
        let codes = responses.filter_map(|response| {
            response.pointer("/content/application~1problem+json/schema/allOf/1/properties/code/enum")?.as_array()
        });
        codes.flatten().map(|code| code.as_str().unwrap().to_owned()).collect()
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(expected, given)| expected.starts_with('{') || *expected == given)
}
