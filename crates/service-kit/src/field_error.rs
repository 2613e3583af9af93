//! Errors of single fields, in words of the API rather than of the parser.

use eserde::{DeserializationErrors, path::Segment};
use serde::Serialize;
use utoipa::ToSchema;

/// The maximum number of errors in a problem.
const MAX_ERRORS: usize = 20;

/// The error of one field of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({ "pointer": "/title", "detail": "must have 1 to 100 characters" }))]
pub struct FieldError {
    /// The field, as a JSON pointer (RFC 6901) into the body.
    pub(crate) pointer: String,
    /// The rule that the value breaks.
    pub(crate) detail: String,
}

impl FieldError {
    /// The error of a body that is not an object.
    pub(crate) fn no_object() -> Self {
        Self { pointer: String::new(), detail: "must be an object".to_owned() }
    }

    /// Returns the errors of all fields, at most [`MAX_ERRORS`].
    pub(crate) fn all(errors: &DeserializationErrors) -> Vec<Self> {
        // After an unknown variant, the parser keeps the path of that field.
        let mut is_after_variant = false;
        let error = |error: &eserde::DeserializationError| {
            let mut pointer = String::new();
            let was_after_variant = is_after_variant;
            for segment in error.path().into_iter().flat_map(eserde::path::Path::iter) {
                match segment {
                    Segment::Seq { index } => push(&mut pointer, &index.to_string()),
                    Segment::Map { key } => {
                        if was_after_variant {
                            pointer.clear();
                        }
                        push(&mut pointer, key);
                    }
                    Segment::Enum { .. } => is_after_variant = true,
                }
            }
            let message = error.message();
            if let Some(name) = message.strip_prefix("missing field `") {
                push(&mut pointer, name.split('`').next().unwrap_or_default());
            }
            Self { pointer, detail: readable(message) }
        };
        errors.iter().take(MAX_ERRORS).map(error).collect()
    }
}

/// Adds a reference token to a JSON pointer.
fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// Converts the text of a parser's error to the rule that a value breaks.
pub fn readable(message: &str) -> String {
    let message = without_position(message);
    if message.starts_with("missing field") {
        return "is required".to_owned();
    }
    if message.starts_with("unknown field") {
        return "is not a known field".to_owned();
    }
    if message.starts_with("duplicate field") {
        return "is given twice".to_owned();
    }
    let expected = ["invalid type", "invalid value", "invalid length", "unknown variant"]
        .iter()
        .any(|kind| message.starts_with(kind))
        .then(|| message.rsplit_once(", expected ").map(|(_, expected)| expected));
    match expected.flatten() {
        Some(expected) => format!("must be {}", kind_of(expected)),
        None => message.to_owned(),
    }
}

/// Removes the position in the text, which follows the message.
fn without_position(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((text, position)) if position.bytes().all(|b| b.is_ascii_digit() || b" column".contains(&b)) => text,
        _ => message,
    }
}

/// Returns the name of a type of Rust in terms of JSON.
fn kind_of(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_parsers_become_rules() {
        for (text, rule) in [
            ("missing field `n`", "is required"),
            ("unknown field `x`, expected one of `a`, `b` at line 1 column 45", "is not a known field"),
            ("duplicate field `a` at line 1 column 3", "is given twice"),
            (
                "invalid type: string \"x, expected y\", expected u32 at line 1 column 41",
                "must be a whole number of at least 0",
            ),
            ("invalid type: null, expected struct Body at line 1 column 4", "must be an object"),
            ("unknown variant `x`, expected `shared` or `private`", "must be `shared` or `private`"),
            ("unknown variant `x`, expected one of `a`, `b`, `c`", "must be one of `a`, `b`, `c`"),
            ("must have 1 to 3 characters at line 1 column 3", "must have 1 to 3 characters"),
            ("must look at line 5 of it", "must look at line 5 of it"),
        ] {
            assert_eq!(readable(text), rule, "{text}");
        }
    }
}
