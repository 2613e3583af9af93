//! How ids and bounded values are described; the patterns are the domain's own.

use domain::{
    ids::{ID_PATTERN, MESSAGE_ID_PATTERN, ROOM_ID_PATTERN},
    values::ZipCode,
};
use utoipa::openapi::{Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, schema::Type};

use crate::page::Limit;

fn text(description: &str, pattern: &str, example: &str) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    text.pattern(Some(pattern)).examples([example]).build()
}

/// The id of a box.
pub(crate) fn box_id() -> Object {
    text("The id of a box", ID_PATTERN, "station-north-1")
}

/// The id of a room.
pub(crate) fn room_id() -> Object {
    text("The id of a room: its box, a dot, its number on that box", ROOM_ID_PATTERN, "station-north-1.7")
}

/// The ids of rooms, with commas between them.
pub(crate) fn room_ids() -> Object {
    let room = ROOM_ID_PATTERN.trim_start_matches('^').trim_end_matches('$');
    text("The ids of at most 200 rooms, with commas between them", &format!("^{room}(,{room})*$"), "station-north-1.7")
}

/// The last version of each of some rooms.
pub(crate) fn versions() -> Object {
    let versions = ObjectBuilder::new().schema_type(Type::Object).description(Some("By room"));
    versions.property_names(Some(room_id())).additional_properties(Some(Schema::from(count()))).build()
}

/// The id of a store.
pub(crate) fn store_id() -> Object {
    text("The id of a store", ID_PATTERN, "noodle-house")
}

/// The id of a user.
pub(crate) fn user_id() -> Object {
    text("The id of a user", ID_PATTERN, "ana")
}

/// The ids of users, each of them once.
pub(crate) fn users() -> Array {
    ArrayBuilder::new().items(user_id()).unique_items(true).build()
}

/// The id of a device.
pub(crate) fn device_id() -> Object {
    text("The id of a device", ID_PATTERN, "phone")
}

/// The id of a message.
pub(crate) fn message_id() -> Object {
    text("The id of a message", MESSAGE_ID_PATTERN, "1042")
}

/// A postal code.
pub(crate) fn zip_code() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("A postal code"))
        .min_length(Some(1))
        .max_length(Some(ZipCode::MAX_CHARS))
        .examples(["04109"])
        .build()
}

/// How many items at most.
pub(crate) fn limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("How many items at most"))
        .minimum(Some(f64::from(Limit::MIN)))
        .maximum(Some(f64::from(Limit::MAX)))
        .default(Some(Limit::DEFAULT.into()))
        .build()
}

/// A count or a version: never negative.
pub(crate) fn count() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0.0))
        .build()
}
