//! A service's OpenAPI document: its operations, their inputs and the problems that they can return.

use std::collections::BTreeSet;

use crate::world::World;
use reqwest::Method;
use serde_json::{Map, Value};

/// An operation of a service.
#[derive(Debug)]
pub struct Operation {
    /// The HTTP method.
    pub method: Method,
    /// The path, with parameter names in braces.
    pub path: String,
    /// The operation id, which is also the command's name over NATS.
    pub id: String,
    /// The query parameters with their schemas.
    pub query: Vec<(String, Value)>,
    /// The schema of the body.
    pub body: Option<Value>,
    /// True if the body may be absent.
    pub body_is_optional: bool,
    /// All problems that the document lists for it.
    pub problems: BTreeSet<(u16, String)>,
}

impl Operation {
    /// The method and the path.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A service's operations.
#[derive(Debug)]
pub struct Api(Vec<Operation>);

impl Api {
    /// Reads the document of a service.
    pub async fn fetch(world: &World, url: &str) -> Self {
        let response = world.request(Method::GET, &format!("{url}/openapi.json")).send().await.expect("an answer");
        let document: Value = response.json().await.expect("an OpenAPI document");
        let mut operations = Vec::new();
        for (path, methods) in object(&document["paths"]) {
            for (method, operation) in
                object(methods).iter().filter(|(_, operation)| operation["responses"].is_object())
            {
                operations.push(read(&document, path, method, operation));
            }
        }
        Self(operations)
    }

    /// All operations.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.0.iter()
    }

    /// The operation with this method and path.
    pub fn operation(&self, name: &str) -> &Operation {
        self.0.iter().find(|operation| operation.name() == name).unwrap_or_else(|| panic!("{name} is not described"))
    }

    /// The common methods that the paths do not have.
    pub fn undescribed_methods(&self) -> Vec<(Method, String)> {
        let paths: BTreeSet<&str> = self.0.iter().map(|operation| operation.path.as_str()).collect();
        let all = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let pairs = paths.into_iter().flat_map(|path| all.clone().map(|method| (method, path.to_owned())));
        let described = |method: &Method, path: &str| self.0.iter().any(|op| op.method == *method && op.path == path);
        pairs.filter(|(method, path)| !described(method, path)).collect()
    }
}

fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Operation {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut problems = BTreeSet::new();
    for (status, response) in object(&operation["responses"]) {
        let schema = &resolve(document, response)["content"]["application/problem+json"]["schema"];
        let mut codes = Vec::new();
        collect_codes(document, schema, &mut codes);
        problems.extend(codes.into_iter().map(|code| (status.parse().unwrap_or_default(), code)));
    }
    Operation {
        method: method.to_uppercase().parse().expect("a method"),
        path: path.to_owned(),
        id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
        query: query
            .map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), resolve(document, &one["schema"])))
            .collect(),
        body_is_optional: operation["requestBody"]["required"] != true,
        body: body.is_object().then(|| resolve(document, body)),
        problems,
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is not an object"))
}

/// Follows references to the end, including those of properties.
fn resolve(document: &Value, value: &Value) -> Value {
    if let Some(pointer) = value["$ref"].as_str() {
        let found = document.pointer(pointer.trim_start_matches('#'));
        return resolve(document, found.unwrap_or_else(|| panic!("{pointer} does not exist")));
    }
    // A nullable reference is resolved to its other choice.
    let choices = value["oneOf"].as_array().into_iter().flatten();
    if let Some(choice) = choices.filter(|choice| choice["type"] != "null").find(|choice| choice["$ref"].is_string()) {
        return resolve(document, choice);
    }
    let mut value = value.clone();
    if let Some(properties) = value.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            *property = resolve(document, property);
        }
    }
    value
}

/// The codes that a problem's schema allows.
fn collect_codes(document: &Value, schema: &Value, codes: &mut Vec<String>) {
    let schema = resolve(document, schema);
    let allowed = schema["properties"]["code"]["enum"].as_array().into_iter().flatten();
    codes.extend(allowed.filter_map(Value::as_str).map(str::to_owned));
    for list in ["allOf", "oneOf", "anyOf"] {
        for part in schema[list].as_array().into_iter().flatten() {
            collect_codes(document, part, codes);
        }
    }
}

/// Fills in the parameters of a path. Missing ones get an arbitrary value.
pub fn fill(path: &str, params: &[(&str, String)]) -> String {
    let filled = params.iter().fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    let parts = filled.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
    parts.collect::<Vec<_>>().join("/")
}
