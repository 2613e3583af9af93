//! OpenAPI schemas of ids and bounded values. Patterns come from the domain.

use domain::{
    ids::{ID_PATTERN, ROOM_ID_PATTERN},
    values::ZipCode,
};
pub(crate) use read_model::schemas::{
    box_id, device_id, message_id, message_id_or_null, push_provider, room_id, store_id, user_id,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

use crate::page::Limit;

/// Types of path parameters. With `schema_with` the description would call these parameters optional.
macro_rules! path_parameters {
    ($($(#[$doc:meta])* $name:ident => $schema:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema.into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

path_parameters! {
    /// A box.
    BoxId => box_id();
    /// A room.
    RoomId => room_id();
    /// A store.
    StoreId => store_id();
    /// A user.
    UserId => user_id();
    /// A message.
    MessageId => message_id();
    /// A report.
    ReportId => report_id();
}

/// A filter.
pub(crate) fn filter_id() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The id of a filter"))
        .pattern(Some(ID_PATTERN))
        .examples(["free-soup"])
        .build()
}

/// A report.
pub(crate) fn report_id() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The id of a report"))
        .pattern(Some(ID_PATTERN))
        .examples(["5f0c3a9f4f7f7b1f6a5f2c0f-1"])
        .build()
}

/// The ids of rooms, separated by commas.
pub(crate) fn room_ids() -> Object {
    let room = ROOM_ID_PATTERN.trim_start_matches('^').trim_end_matches('$');
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The ids of at most 200 rooms, separated by commas"))
        .pattern(Some(format!("^{room}(,{room})*$")))
        .examples(["station-north-1.7"])
        .build()
}

/// The ids of users, separated by commas.
pub(crate) fn user_ids() -> Object {
    let user = ID_PATTERN.trim_start_matches('^').trim_end_matches('$');
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The ids of at most 100 users, separated by commas"))
        .pattern(Some(format!("^{user}(,{user})*$")))
        .examples(["ana,ben"])
        .build()
}

/// The last versions of rooms, by room.
pub(crate) fn versions() -> Object {
    let versions = ObjectBuilder::new().schema_type(Type::Object).description(Some("By room"));
    versions.property_names(Some(room_id())).additional_properties(Some(Schema::from(count()))).build()
}

/// The numbers of unread messages, by room.
pub(crate) fn unread_by_room() -> Object {
    let unread = ObjectBuilder::new().schema_type(Type::Object).property("unread", count()).required("unread");
    let rooms = ObjectBuilder::new().schema_type(Type::Object).description(Some("By room"));
    rooms.property_names(Some(room_id())).additional_properties(Some(Schema::from(unread.build()))).build()
}

/// A set of room ids.
pub(crate) fn room_id_list() -> Array {
    ArrayBuilder::new().items(room_id()).unique_items(true).build()
}

/// The last message read by each user.
pub(crate) fn read_markers() -> Object {
    let markers = ObjectBuilder::new().schema_type(Type::Object).description(Some("By user"));
    markers.property_names(Some(user_id())).additional_properties(Some(Schema::from(message_id()))).build()
}

/// A set of user ids.
pub(crate) fn users() -> Array {
    ArrayBuilder::new().items(user_id()).unique_items(true).build()
}

/// A postal code.
pub(crate) fn zip_code() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("A postal code"))
        .min_length(Some(1))
        .max_length(Some(ZipCode::MAX_BYTES))
        .examples(["04109"])
        .build()
}

/// The maximum number of items on a page.
pub(crate) fn limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("The maximum number of items"))
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
