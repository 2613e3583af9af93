//! The JSON types of fields.

use std::fmt::{self, Display};

use anyhow::Context;
use serde_json::Value;

use super::source::{Definition, Kind};

/// A JSON type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    Boolean,
    Integer,
    Number,
    Text,
    /// A text with a time, in the form of RFC 3339.
    Time,
    /// One of these texts.
    OneOf(Vec<String>),
    Array(Vec<Json>),
    /// An array of any number of values of one JSON type, with the name of their type.
    List(String, Box<Json>),
    /// An object with names of this type, and values of one JSON type.
    Object(String, Box<Json>),
}

impl Json {
    /// Returns the JSON type of a type.
    pub(super) fn of(kind: &Kind, types: &[Definition]) -> anyhow::Result<Self> {
        Ok(match (kind.name.as_str(), kind.parts.as_slice()) {
            ("bool", []) => Self::Boolean,
            ("u32" | "u64", []) => Self::Integer,
            ("f64", []) => Self::Number,
            ("String", []) => Self::Text,
            ("DateTime", [_]) => Self::Time,
            ("BTreeMap", [name, value]) => Self::Object(name.name.clone(), Box::new(Self::of(value, types)?)),
            ("Vec", [item]) => Self::List(item.name.clone(), Box::new(Self::of(item, types)?)),
            ("", parts) => Self::Array(parts.iter().map(|part| Self::of(part, types)).collect::<Result<_, _>>()?),
            (name, _) => {
                let definition = named(kind, types).with_context(|| format!("the JSON type of {name} is unknown"))?;
                Self::of_named(definition, types)?
            }
        })
    }

    /// Returns the JSON type of a type of the domain: all but the aliases are written as texts.
    pub(super) fn of_named(definition: &Definition, types: &[Definition]) -> anyhow::Result<Self> {
        Ok(match &definition.alias {
            Some(alias) => Self::of(alias, types)?,
            None if definition.variants.is_empty() => Self::Text,
            None => Self::OneOf(definition.variants.iter().map(|variant| variant.stored.clone()).collect()),
        })
    }

    /// Returns true if the value has this type.
    pub(super) fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Boolean, Value::Bool(_)) | (Self::Text | Self::Time, Value::String(_)) => true,
            (Self::Integer, Value::Number(number)) => number.is_u64(),
            (Self::Number, Value::Number(number)) => number.is_f64(),
            (Self::OneOf(texts), Value::String(text)) => texts.contains(text),
            (Self::Array(types), Value::Array(values)) => {
                types.len() == values.len() && types.iter().zip(values).all(|(of, value)| of.fits(value))
            }
            (Self::List(_, of), Value::Array(values)) => values.iter().all(|value| of.fits(value)),
            (Self::Object(_, of), Value::Object(values)) => values.values().all(|value| of.fits(value)),
            _ => false,
        }
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Integer => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Text | Self::OneOf(_) => f.write_str("string"),
            Self::Time => f.write_str("string (RFC 3339)"),
            Self::Array(types) => {
                let types: Vec<_> = types.iter().map(ToString::to_string).collect();
                write!(f, "array ({})", types.join(", "))
            }
            Self::List(name, of) => write!(f, "array of {of}, each a `{name}`"),
            Self::Object(name, of) => write!(f, "object ({of} for each `{name}`)"),
        }
    }
}

/// Returns the definition of a type of the domain.
pub(super) fn named<'a>(kind: &Kind, types: &'a [Definition]) -> Option<&'a Definition> {
    types.iter().find(|definition| definition.name == kind.name)
}
