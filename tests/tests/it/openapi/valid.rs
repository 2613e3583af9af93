//! The descriptions are valid OpenAPI 3.1, by the official schema and by the rules that a schema cannot express.

use std::collections::BTreeSet;

use harness::{ServiceId, StackOptions};
use reqwest::Method;
use serde_json::Value;
use system_tests::World;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

#[tokio::test(flavor = "multi_thread")]
async fn both_descriptions_are_valid_openapi() {
    let world = World::start(StackOptions::default()).await;
    let schema = serde_json::from_str(include_str!("../../openapi-3.1.json")).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    for url in [world.stack.command_url(0), world.stack.query_url(0)] {
        let answer = world.request(Method::GET, &format!("{url}/openapi.json")).send().await.unwrap();
        let document: Value = answer.json().await.unwrap();
        let errors: Vec<String> =
            schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{url}: {errors:#?}");
        every_schema_is_one(&document);
        references_lead_somewhere(&document, &document);
        every_response_has_a_valid_example(&document);
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(item["parameters"].is_null(), "{path}: parameters belong to operations");
            for (method, operation) in item.as_object().unwrap() {
                assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} names two operations");
                parameters_fit(&document, path, name, operation);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_header_can_be_read_by_a_page() {
    const ORIGIN: &str = "https://chat.example";
    let services = [ServiceId::Command(0), ServiceId::Query(0)];
    let env = services.map(|service| (service, "BOXROOM_ALLOWED_ORIGINS", ORIGIN.to_owned())).to_vec();
    let world = World::start(StackOptions { env, ..StackOptions::default() }).await;
    for url in services.map(|service| world.stack.url(service)) {
        let request = world.request(Method::GET, &format!("{url}/openapi.json")).header("origin", ORIGIN);
        let answer = request.send().await.unwrap();
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap().to_lowercase();
        let exposed: BTreeSet<&str> = exposed.split(',').map(str::trim).collect();
        let document: Value = answer.json().await.unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            let responses =
                item.as_object().unwrap().values().filter_map(|operation| operation["responses"].as_object());
            for header in responses.flat_map(|all| all.values()).filter_map(|one| one["headers"].as_object()) {
                for name in header.keys() {
                    assert!(exposed.contains(name.to_lowercase().as_str()), "{path}: {name} is not exposed");
                }
            }
        }
    }
}

/// Requires that each schema is valid JSON Schema 2020-12, the dialect of OpenAPI 3.1.
fn every_schema_is_one(part: &Value) {
    match part {
        Value::Object(fields) => {
            let named = fields.get("schemas").and_then(Value::as_object);
            for schema in fields.get("schema").into_iter().chain(named.into_iter().flat_map(|named| named.values())) {
                if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
                    panic!("{}: {error}: {schema}", error.instance_path());
                }
            }
            fields.values().for_each(every_schema_is_one);
        }
        Value::Array(items) => items.iter().for_each(every_schema_is_one),
        _ => {}
    }
}

/// Requires an example of every JSON response that is valid by the schema of the response.
fn every_response_has_a_valid_example(document: &Value) {
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                    if !media_type.ends_with("json") {
                        continue;
                    }
                    let mut schema = content["schema"].clone();
                    schema["components"] = document["components"].clone();
                    let validator = jsonschema::draft202012::new(&schema).unwrap();
                    let errors: Vec<_> = validator.iter_errors(&content["example"]).map(|e| e.to_string()).collect();
                    assert!(errors.is_empty(), "{method} {path} {status}: {errors:?} in {}", content["example"]);
                }
            }
        }
    }
}

fn references_lead_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                assert!(target.is_some(), "{reference}");
            }
            fields.values().for_each(|field| references_lead_somewhere(document, field));
        }
        Value::Array(items) => items.iter().for_each(|item| references_lead_somewhere(document, item)),
        _ => {}
    }
}

/// Requires that the path parameters are those in the braces of the path, and that none is described twice.
fn parameters_fit(document: &Value, path: &str, name: &str, operation: &Value) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let mut described = BTreeSet::new();
    for parameter in &parameters {
        let parameter = parameter["$ref"]
            .as_str()
            .map_or(parameter, |reference| document.pointer(reference.trim_start_matches('#')).unwrap());
        let (place, parameter_name) = (parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap());
        assert!(described.insert((place.to_owned(), parameter_name.to_owned())), "{name}: {parameter_name} twice");
        assert!(place != "path" || parameter["required"] == true, "{name}: {parameter_name} is not required");
    }
    let in_path: BTreeSet<&str> =
        described.iter().filter(|(place, _)| place == "path").map(|(_, name)| name.as_str()).collect();
    let in_braces: BTreeSet<&str> =
        path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default()).collect();
    assert_eq!(in_path, in_braces, "{name}: the parameters of {path}");
}
