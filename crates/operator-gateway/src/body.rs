//! The body of a request as one of the protocol.

use axum::extract::Request as HttpRequest;
use operator_protocol::Request;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use service_kit::{
    extract::{invalid_field, optional_json},
    field_error::readable,
    problem::Problem,
};

/// Reads a request of the protocol. An empty body stands for an empty object.
pub(crate) async fn read<R: Request>(request: HttpRequest) -> Result<R, Problem> {
    let body = optional_json(request).await?;
    parse(body.as_deref().unwrap_or(b"{}"))
}

/// Parses a body that is known to be JSON.
fn parse<R: Request>(body: &[u8]) -> Result<R, Problem> {
    // The parser would take an array for the fields in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(invalid_field("", "must be an object"));
    }
    let request: R =
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body)).map_err(|error| {
            let (mut pointer, message) = (pointer(error.path()), error.inner().to_string());
            if let Some(name) = message.strip_prefix("missing field `") {
                push(&mut pointer, name.split('`').next().unwrap_or_default());
            }
            invalid_field(&pointer, readable(&message))
        })?;
    reject_unknown_fields(&request, body)?;
    Ok(request)
}

/// Rejects fields that the request does not have. Projectors and notifiers ignore them, so a misspelled limit would be
/// no limit.
fn reject_unknown_fields(request: &impl Request, body: &[u8]) -> Result<(), Problem> {
    let Ok(Value::Object(given)) = serde_json::from_slice(body) else { return Ok(()) };
    let Ok(Value::Object(known)) = serde_json::to_value(request) else { return Ok(()) };
    match given.keys().find(|name| !known.contains_key(*name)) {
        Some(name) => {
            let mut pointer = String::new();
            push(&mut pointer, name);
            Err(invalid_field(&pointer, "is not a known field"))
        }
        None => Ok(()),
    }
}

/// Returns a path in the body as a JSON pointer.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Adds a reference token to a JSON pointer.
fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use operator_protocol::{Activate, AddWebhook, Audit, GetStatus, Goal, Rebuild, Retire};

    use super::*;

    fn refused<R: Request>(body: &str) -> String {
        let problem = parse::<R>(body.as_bytes()).err().expect("a problem");
        assert_eq!((problem.status().as_u16(), problem.code()), (422, "invalid-body"), "{body}");
        problem.detail_text().to_owned()
    }

    #[test]
    fn a_body_is_a_request_of_the_protocol() {
        parse::<GetStatus>(b"{}").unwrap();
        let rebuild: Rebuild = parse(br#"{"to":"verified","max_rate":5,"low_priority":true}"#).unwrap();
        assert_eq!((rebuild.to, rebuild.max_rate, rebuild.low_priority), (Goal::Verified, Some(5), true));
        assert!(parse::<Rebuild>(br#"{"to":"active","low_priority":false}"#).unwrap().max_rate.is_none());
        assert!(matches!(parse(br#""all_standby""#).unwrap(), Retire::AllStandby));
        assert!(matches!(parse(br#"{"generation":7}"#).unwrap(), Retire::One(7)));
    }

    #[test]
    fn the_problem_names_the_field() {
        for (found, expected) in [
            (refused::<GetStatus>("[]"), "the body must be an object"),
            (refused::<GetStatus>("7"), "the body must be an object"),
            (refused::<GetStatus>(r#"{"a/b":1}"#), "/a~1b is not a known field"),
            (refused::<Rebuild>("{}"), "/to is required"),
            (refused::<Rebuild>(r#"{"to":"moon"}"#), "/to must be one of `ready`, `verified`, `active`"),
            (
                refused::<Rebuild>(r#"{"to":"ready","low_priority":false,"max_rate":-1}"#),
                "/max_rate must be a whole number of at least 0",
            ),
            (
                refused::<Rebuild>(r#"{"to":"ready","low_priority":false,"max_rtae":1}"#),
                "/max_rtae is not a known field",
            ),
            (refused::<Activate>(r#"{"generation":7}"#), "/unverified is required"),
            (refused::<AddWebhook>(r#"{"url":"https://a.example","types":[7]}"#), "/types/0 must be a string"),
            (refused::<Audit>(r#"{"after":{"stream":"box-0"}}"#), "/after/sequence is required"),
        ] {
            assert_eq!(found, expected);
        }
    }
}
