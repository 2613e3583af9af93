//! The JSON schemas of the domain's values, with the bounds that their parsers keep.

use domain::{
    AlarmKind, BoxId, DeviceId, MessageId, RoomId, StoreId, UserId,
    ids::{ID_PATTERN, MESSAGE_ID_PATTERN, ROOM_ID_PATTERN},
    values::{
        Address, BoxKind, Category, Emoji, ExtensionHours, MaxMembers, MessageBody, Nickname, PushToken, Reason, Step,
        StoreName, Title, ZipCode,
    },
};
use serde_json::{Value, json};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};

/// A value with a schema.
pub(crate) trait Described {
    /// The schema, still without a word on null.
    fn describe() -> ObjectBuilder;
}

/// The schema of a value that has to be there.
pub(crate) fn of<T: Described>() -> Object {
    T::describe().build()
}

/// The schema of a value that may be absent or null.
pub(crate) fn or_null<T: Described>() -> Object {
    let mut schema = of::<T>();
    if let SchemaType::Type(kind) = schema.schema_type {
        schema.schema_type = SchemaType::Array(vec![kind, Type::Null]);
    }
    if let Some(values) = &mut schema.enum_values {
        values.push(Value::Null);
    }
    schema
}

/// Something visible, and no NUL anywhere.
const VISIBLE_PATTERN: &str = r"^[^\x00]*[^\s\x00][^\x00]*$";

fn text(max: usize, example: &str) -> ObjectBuilder {
    string(1, max, example).pattern(Some(VISIBLE_PATTERN))
}

pub(crate) fn string(min: usize, max: usize, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(min))
        .max_length(Some(max))
        .examples([Value::from(example)])
}

fn id(pattern: &str, max: usize, example: &str) -> ObjectBuilder {
    string(1, max, example).pattern(Some(pattern))
}

fn one_of(values: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values.iter().copied()))
}

fn integer(min: i32, max: i32, example: i32) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(min))
        .maximum(Some(max))
        .examples([Value::from(example)])
}

macro_rules! described {
    ($($value:ty => $schema:expr;)*) => {
        $(impl Described for $value {
            fn describe() -> ObjectBuilder {
                $schema
            }
        })*
    };
}

described! {
    BoxId => id(ID_PATTERN, 40, "box-1");
    StoreId => id(ID_PATTERN, 40, "pizzeria");
    UserId => id(ID_PATTERN, 40, "ana");
    DeviceId => id(ID_PATTERN, 40, "phone");
    RoomId => id(ROOM_ID_PATTERN, 50, "box-1.1");
    MessageId => id(MESSAGE_ID_PATTERN, 18, "42");
    MessageBody => text(MessageBody::MAX_CHARS, "Who else wants a Margherita?");
    Title => text(Title::MAX_CHARS, "Pizza at noon");
    Nickname => text(Nickname::MAX_CHARS, "Ana");
    StoreName => text(StoreName::MAX_CHARS, "Pizzeria Roma");
    Category => text(Category::MAX_CHARS, "pizza");
    ZipCode => text(ZipCode::MAX_CHARS, "04109");
    Address => text(Address::MAX_CHARS, "Markt 1");
    Reason => text(Reason::MAX_CHARS, "The door is stuck");
    Emoji => text(Emoji::MAX_CHARS, "👍");
    PushToken => text(PushToken::MAX_CHARS, "fcm-registration-token");
    MaxMembers => integer(2, 100, 4);
    ExtensionHours => integer(1, 3, 1);
    BoxKind => one_of(&[BoxKind::Shared.as_str(), BoxKind::Private.as_str()]);
    Step => one_of(&["gathering", "ordering", "ordered", "delivering", "arrived", "collected"]);
    Latitude => degrees(90, 51.34);
    Longitude => degrees(180, 12.37);
}

/// Degrees north, as JSON has it.
pub(crate) struct Latitude;

/// Degrees east, as JSON has it.
pub(crate) struct Longitude;

fn degrees(most: i32, example: f64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(-most))
        .maximum(Some(most))
        .examples([Value::from(example)])
}

/// For every kind of alarm, whether it is wanted.
pub(crate) fn notification_preferences() -> Schema {
    const KINDS: [AlarmKind; 7] = [
        AlarmKind::Reply,
        AlarmKind::Reaction,
        AlarmKind::Mention,
        AlarmKind::Kicked,
        AlarmKind::MadeHost,
        AlarmKind::RoomClosed,
        AlarmKind::OrderArrived,
    ];
    let flag = || ObjectBuilder::new().schema_type(Type::Boolean);
    let kinds = KINDS.iter().fold(ObjectBuilder::new(), |object, kind| object.property(kind.as_str(), flag()));
    let closed = kinds.additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)));
    closed.examples([json!({ "reply": true, "reaction": false })]).build().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_may_be_null_says_so() {
        let schema = serde_json::to_value(or_null::<BoxKind>()).unwrap();
        assert_eq!(schema, json!({ "type": ["string", "null"], "enum": ["shared", "private", null] }));
        let schema = serde_json::to_value(of::<MaxMembers>()).unwrap();
        assert_eq!((&schema["minimum"], &schema["maximum"]), (&json!(2), &json!(100)));
    }

    #[test]
    fn the_steps_of_the_schema_are_those_of_the_domain() {
        let schema = serde_json::to_value(of::<Step>()).unwrap();
        for step in schema["enum"].as_array().unwrap() {
            assert_eq!(serde_json::from_value::<Step>(step.clone()).unwrap().as_str(), step);
        }
        assert_eq!(schema["enum"].as_array().unwrap().len(), Step::Collected as usize + 1);
    }
}
