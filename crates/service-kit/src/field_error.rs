//! Errors of single fields, in words of the API rather than of the parser.

use eserde::{
    DeserializationError, DeserializationErrors, EDeserialize,
    path::{Path, Segment},
};
use serde::Serialize;
use serde_json::Value;
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

    /// Returns the errors of a body that could not be parsed, at most [`MAX_ERRORS`].
    ///
    /// After an unknown field, and after an array or object in place of a text, the parser does not find the fields
    /// that follow. So the body is parsed again without the field of each error.
    pub(crate) fn all<T: for<'de> EDeserialize<'de>>(body: &[u8], errors: &DeserializationErrors) -> Vec<Self> {
        let (mut found, mut all) = (Self::of(errors), Vec::<Self>::new());
        let Ok(mut rest) = serde_json::from_slice::<Value>(body) else { return found };
        // A removed field is missing.
        let is_new = |all: &[Self], error: &Self| all.iter().all(|known| known.pointer != error.pointer);
        while let Some(place) = found.iter().position(|error| is_new(&all, error))
            && all.len() < MAX_ERRORS
        {
            let error = found.remove(place);
            if remove(&mut rest, &error.pointer) {
                let errors = eserde::json::from_str::<T>(&rest.to_string()).err();
                found = errors.as_ref().map(Self::of).unwrap_or_default();
            }
            all.push(error);
        }
        all
    }

    fn of(errors: &DeserializationErrors) -> Vec<Self> {
        // After an unknown variant, the parser keeps the path of that field as the beginning of later paths.
        let mut kept: Option<Kept> = None;
        let error = |error: &DeserializationError| {
            let (mut path, mut is_variant) = (String::new(), false);
            for segment in error.path().into_iter().flat_map(Path::iter) {
                match segment {
                    Segment::Seq { index } => push(&mut path, &index.to_string()),
                    Segment::Map { key } => push(&mut path, key),
                    Segment::Enum { .. } => is_variant = true,
                }
            }
            let mut pointer = kept.as_ref().and_then(|kept| kept.removed_from(&path)).unwrap_or_else(|| path.clone());
            if is_variant {
                let object = pointer.rsplit_once('/').map(|(object, _)| object.to_owned()).unwrap_or_default();
                kept = Some(Kept { path, object });
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

/// The path that the parser keeps after an unknown variant.
struct Kept {
    path: String,
    /// The pointer to the object with the field.
    object: String,
}

impl Kept {
    /// Returns the pointer that a later path stands for. None if the path does not begin with this one.
    fn removed_from(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.path).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(format!("{}{rest}", self.object))
    }
}

/// Adds a reference token to a JSON pointer.
fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// Removes the field at a JSON pointer. Returns false if there is none.
fn remove(body: &mut Value, pointer: &str) -> bool {
    let Some((object, field)) = pointer.rsplit_once('/') else { return false };
    let field = field.replace("~1", "/").replace("~0", "~");
    let object = body.pointer_mut(object).and_then(Value::as_object_mut);
    object.is_some_and(|object| object.remove(&field).is_some())
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
