//! The JSON schemas of the domain's values, with the limits of their parsers.

use domain::{
    AlarmKind,
    ids::{ID_PATTERN, MESSAGE_ID_PATTERN, ROOM_ID_PATTERN},
    position_vector, values,
};
use serde_json::{Value, json};
use sign_in::MAX_CHARS;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{AdditionalProperties, ObjectBuilder, Schema, Type},
    },
};

use crate::sessions::refresh_token;

macro_rules! schemas {
    ($($(#[$doc:meta])* $name:ident => $schema:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema.build().into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

schemas! {
    /// A box.
    BoxId => id(ID_PATTERN, 40, "box-1");
    /// A store.
    StoreId => id(ID_PATTERN, 40, "pizzeria");
    /// A user.
    UserId => id(ID_PATTERN, 40, "ana");
    /// A device of a user.
    DeviceId => id(ID_PATTERN, 40, "phone");
    /// A room.
    RoomId => id(ROOM_ID_PATTERN, 50, "box-1.1");
    /// A message.
    MessageId => id(MESSAGE_ID_PATTERN, 18, "42");
    /// The position up to which alarms are read.
    AlarmsUpTo => ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-zA-Z0-9-]+\\.[a-zA-Z0-9-]+\\.[0-9]+(_[a-zA-Z0-9-]+\\.[a-zA-Z0-9-]+\\.[0-9]+)*$"))
        .max_length(Some(position_vector::MAX_LENGTH));
    /// The sequence of an event in the log.
    EventSequence => id(MESSAGE_ID_PATTERN, 18, "42");
    /// The text of a message.
    MessageBody => body(values::MessageBody::MAX_CHARS, values::MessageBody::MAX_BYTES, "Who else wants a Margherita?");
    /// A room's title.
    Title => line(values::Title::MAX_CHARS, values::Title::MAX_BYTES, "Pizza at noon");
    /// The nickname of a user.
    Nickname => line(values::Nickname::MAX_CHARS, values::Nickname::MAX_BYTES, "Ana");
    /// The name of a store.
    StoreName => line(values::StoreName::MAX_CHARS, values::StoreName::MAX_BYTES, "Pizzeria Roma");
    /// The category of a store.
    Category => line(values::Category::MAX_CHARS, values::Category::MAX_BYTES, "pizza");
    /// A postal code.
    ZipCode => line(values::ZipCode::MAX_CHARS, values::ZipCode::MAX_BYTES, "04109");
    /// A street address or its detail.
    Address => line(values::Address::MAX_CHARS, values::Address::MAX_BYTES, "Markt 1");
    /// A reason given by an operator.
    Reason => line(values::Reason::MAX_CHARS, values::Reason::MAX_BYTES, "The door is stuck");
    /// A reaction.
    Emoji => text(values::Emoji::MAX_CHARS, "👍");
    /// The address of a device at its push provider.
    PushToken => string(1, values::PushToken::MAX_CHARS, "fcm-registration-token").pattern(Some(TOKEN_PATTERN));
    /// The maximum number of members of a room.
    MaxMembers => integer(2, 100, 4);
    /// The length of an extension in hours.
    ExtensionHours => integer(1, 3, 1);
    /// The users that may use a box.
    BoxKind => one_of(&[values::BoxKind::Shared.as_str(), values::BoxKind::Private.as_str()]);
    /// The step of an order.
    Step => one_of(&["gathering", "ordering", "ordered", "delivering", "arrived", "collected"]);
    /// Degrees north.
    Latitude => degrees(90, 51.34);
    /// Degrees east.
    Longitude => degrees(180, 12.37);
    /// The password of an account.
    AccountPassword => string(8, MAX_CHARS, "correct horse");
    /// A refresh token of a session.
    RefreshToken => string(1, refresh_token::MAX_CHARS, "user.ana.0199f3a5c0de7000a1b2c3d4e5f60718.Yb0v3v8w6q0J");
    /// The secret with which a box signs in.
    BoxSecret => string(32, MAX_CHARS, "Tz1mQ8vXr5bN2cK7pL4wS9dF6gH3jY0a");
    /// The password of a room.
    RoomPassword => string(1, MAX_CHARS, "margherita");
    /// The wanted kinds of notification.
    NotificationPreferences => notification_preferences();
}

/// Matches texts with a visible character and without NUL.
const VISIBLE_PATTERN: &str = r"^[^\x00]*[^\s\x00][^\x00]*$";

/// Matches texts of several lines with a visible character, and without other control characters.
const BODY_PATTERN: &str = concat!(
    r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*",
    r"[^\s\x00-\x1F\x7F-\x9F]",
    r"[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$",
);

/// Matches texts of one line with a visible character, and without control characters.
const LINE_PATTERN: &str = r"^\s*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F\u2028\u2029]*\s*$";

/// Matches visible ASCII characters.
const TOKEN_PATTERN: &str = r"^\s*[!-~]+\s*$";

fn body(characters: usize, bytes: usize, example: &str) -> ObjectBuilder {
    measured(characters, bytes, example).pattern(Some(BODY_PATTERN))
}

fn line(characters: usize, bytes: usize, example: &str) -> ObjectBuilder {
    measured(characters, bytes, example).pattern(Some(LINE_PATTERN))
}

/// Returns the schema of a text that is measured in grapheme clusters and bytes. `maxLength` counts code points, of
/// which a text has at most as many as bytes.
fn measured(characters: usize, bytes: usize, example: &str) -> ObjectBuilder {
    let limits = format!("1 to {characters} characters (grapheme clusters), at most {bytes} bytes in UTF-8.");
    string(1, bytes, example).description(Some(limits))
}

fn text(max: usize, example: &str) -> ObjectBuilder {
    string(1, max, example).pattern(Some(VISIBLE_PATTERN))
}

fn string(min: usize, max: usize, example: &str) -> ObjectBuilder {
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

fn degrees(most: i32, example: f64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(-most))
        .maximum(Some(most))
        .examples([Value::from(example)])
}

fn notification_preferences() -> ObjectBuilder {
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
    let closed = kinds.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    closed.examples([json!({ "reply": true, "reaction": false })])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords;

    #[test]
    fn the_schema_has_the_steps_of_the_domain() {
        let schema = serde_json::to_value(Step::schema()).unwrap();
        let steps = schema["enum"].as_array().unwrap();
        for step in steps {
            assert_eq!(serde_json::from_value::<values::Step>(step.clone()).unwrap().as_str(), step);
        }
        assert_eq!(steps.len(), values::Step::Collected as usize + 1);
    }

    #[test]
    fn schema_examples_can_be_parsed() {
        fn parses<S: PartialSchema, T: serde::de::DeserializeOwned>() {
            let schema = serde_json::to_value(S::schema()).unwrap();
            let example = schema["examples"].as_array().unwrap().first().unwrap().clone();
            assert!(serde_json::from_value::<T>(example).is_ok(), "{schema}");
        }
        parses::<BoxId, domain::BoxId>();
        parses::<RoomId, domain::RoomId>();
        parses::<MessageId, domain::MessageId>();
        parses::<EventSequence, domain::EventSequence>();
        parses::<Emoji, values::Emoji>();
        parses::<MessageBody, values::MessageBody>();
        parses::<Title, values::Title>();
        parses::<Nickname, values::Nickname>();
        parses::<StoreName, values::StoreName>();
        parses::<Category, values::Category>();
        parses::<ZipCode, values::ZipCode>();
        parses::<Address, values::Address>();
        parses::<Reason, values::Reason>();
        parses::<PushToken, values::PushToken>();
        parses::<MaxMembers, values::MaxMembers>();
        parses::<ExtensionHours, values::ExtensionHours>();
        parses::<AccountPassword, sign_in::AccountPassword>();
        parses::<BoxSecret, passwords::BoxSecret>();
        parses::<NotificationPreferences, domain::NotificationPreferences>();
    }
}
