//! OpenAPI schemas of ids and names in read models. Patterns and names come from the domain.

use domain::{
    RoomClosedReason,
    delivery_box::HostChange,
    ids::{ID_PATTERN, MESSAGE_ID_PATTERN, ROOM_ID_PATTERN},
    values::{PushProvider, Step},
};
use serde::Serialize;
use utoipa::openapi::{
    Object, ObjectBuilder,
    schema::{SchemaType, Type},
};

fn text(description: &str, pattern: &str, example: &str) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    text.pattern(Some(pattern)).examples([example])
}

fn one_of<T: Serialize>(values: impl IntoIterator<Item = T>) -> Object {
    let names = values.into_iter().filter_map(|value| serde_json::to_value(value).ok());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}

/// The id of a box.
pub fn box_id() -> Object {
    text("The id of a box", ID_PATTERN, "station-north-1").build()
}

/// The id of a room.
pub fn room_id() -> Object {
    text("The id of a room: its box, a dot and its number on that box", ROOM_ID_PATTERN, "station-north-1.7").build()
}

/// The id of a store.
pub fn store_id() -> Object {
    text("The id of a store", ID_PATTERN, "noodle-house").build()
}

/// The id of a user.
pub fn user_id() -> Object {
    text("The id of a user", ID_PATTERN, "ana").build()
}

/// The id of a device.
pub fn device_id() -> Object {
    text("The id of a device", ID_PATTERN, "phone").build()
}

/// A push provider.
pub fn push_provider() -> Object {
    one_of([PushProvider::Fcm, PushProvider::Apns, PushProvider::WebPush])
}

/// The id of a message.
pub fn message_id() -> Object {
    text("The id of a message", MESSAGE_ID_PATTERN, "1042").build()
}

/// The id of a message, or null.
pub fn message_id_or_null() -> Object {
    let types = SchemaType::from_iter([Type::String, Type::Null]);
    text("The id of a message, or null", MESSAGE_ID_PATTERN, "1042").schema_type(types).build()
}

/// The step of an order.
pub fn step() -> Object {
    one_of([Step::Gathering, Step::Ordering, Step::Ordered, Step::Delivering, Step::Arrived, Step::Collected])
}

/// The reason why a room was closed.
pub fn closed_reason() -> Object {
    one_of([
        RoomClosedReason::Host,
        RoomClosedReason::Empty,
        RoomClosedReason::Expired,
        RoomClosedReason::Moderator,
        RoomClosedReason::BoxRetired,
    ])
}

/// The reason for a change of host.
pub fn host_change() -> Object {
    one_of([HostChange::Transferred, HostChange::Succession])
}
