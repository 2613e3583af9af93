//! Events of a room's feed as clients see them: the same in responses and in live frames.

use chrono::{DateTime, Utc};
use domain::ids::ID_PATTERN;
use read_model::feed::RoomEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        AllOfBuilder, KnownFormat, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

/// The details of an event, passed through unparsed.
pub(crate) type EventData = Json<Box<RawValue>>;

/// An event of a room's feed.
#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    pub(crate) v: i64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) by: Option<String>,
    pub(crate) data: EventData,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command_id: Option<String>,
    /// The version of the feed's last event.
    #[serde(skip)]
    pub(crate) head_v: i64,
}

impl EventView {
    /// Returns the schema of the fields that all events have.
    pub(crate) fn envelope() -> Object {
        let described = |kind, text: &str| ObjectBuilder::new().schema_type(kind).description(Some(text));
        let nullable = SchemaType::from_iter([Type::String, Type::Null]);
        let date_time = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("v", described(Type::Integer.into(), "1, 2, 3 ... in the room, without gaps").minimum(Some(1)))
            .property("at", described(Type::String.into(), "The time of the event").format(Some(date_time)))
            .property(
                "by",
                described(nullable, "The acting user; null for the system, for example at a deadline")
                    .pattern(Some(ID_PATTERN)),
            )
            .property(
                "command_id",
                described(
                    Type::String.into(),
                    "The `Idempotency-Key` of the command that caused the event; only for the user who sent it",
                )
                .max_length(Some(64)),
            )
            .required("v")
            .required("at")
            .required("by")
            .build()
    }
}

impl PartialSchema for EventView {
    fn schema() -> RefOr<Schema> {
        AllOfBuilder::new().item(Self::envelope()).item(Ref::from_schema_name(RoomEvent::name())).into()
    }
}

impl ToSchema for EventView {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RoomEvent::name().into_owned(), RoomEvent::schema()));
        RoomEvent::schemas(schemas);
    }
}
