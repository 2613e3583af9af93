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
        KnownFormat, RefOr, SchemaFormat,
        schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type},
    },
};

use crate::{
    passwords::MIN_ROOM_PASSWORD,
    sessions::{device, refresh_token},
    users::{
        confirmation::{self, contact},
        registration_policy::MAX_INVITATION_CHARS,
    },
};

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
    /// A filter.
    FilterId => id(ID_PATTERN, 40, "free-soup");
    /// The kind of a filter's pattern.
    FilterKind => one_of(&[domain::FilterKind::Word.as_str(), domain::FilterKind::Link.as_str()]);
    /// The pattern of a filter.
    FilterPattern => string(1, values::FilterPattern::MAX_BYTES, "free soup").pattern(Some(VISIBLE_PATTERN));
    /// The consequence of a match.
    FilterAction => one_of(&domain::FilterAction::ALL.map(domain::FilterAction::as_str));
    /// A report.
    ReportId => id(ID_PATTERN, 40, "5f0c3a9f4f7f7b1f6a5f2c0f-1");
    /// The reason of a report.
    ReportCategory => one_of(&domain::ReportCategory::ALL.map(domain::ReportCategory::as_str));
    /// The result of handling a report.
    ReportAction => one_of(&domain::ReportAction::ALL.map(domain::ReportAction::as_str));
    /// The words of a report or of its handling.
    ReportNote => body(values::ReportNote::MAX_CHARS, values::ReportNote::MAX_BYTES, "He threatens me");
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
    /// A token for a new password.
    ResetToken => string(1, credentials::ResetToken::MAX_CHARS, "ana.Yb0v3v8w6q0Jd7hYkqS5c2y1n4m8p9r3t6u7x0z1A2c");
    /// A reaction.
    Emoji => text(values::Emoji::MAX_CHARS, "👍");
    /// A push provider.
    PushProvider => one_of(&[
        values::PushProvider::Fcm.as_str(), values::PushProvider::Apns.as_str(), values::PushProvider::WebPush.as_str(),
    ]);
    /// The token of an app at its push provider.
    PushToken => string(1, values::PushToken::MAX_CHARS, "fcm-registration-token").pattern(Some(TOKEN_PATTERN));
    /// A Web Push subscription, as `JSON.stringify` writes a browser's `PushSubscription`.
    PushSubscription => push_subscription();
    /// A language tag.
    Locale => string(2, values::Locale::MAX_CHARS, "ko").pattern(Some(LOCALE_PATTERN));
    /// The name of a time zone in the IANA database.
    TimeZone => string(1, values::TimeZone::MAX_CHARS, "Asia/Seoul").pattern(Some("^[A-Za-z0-9_+/-]+$"));
    /// A time of day in hours and minutes.
    TimeOfDay => string(5, 5, "22:00").pattern(Some(values::TimeOfDay::PATTERN));
    /// The maximum number of members of a room.
    MaxMembers => integer(2, 100, 4);
    /// The length of an extension in hours.
    ExtensionHours => integer(1, 3, 1);
    /// The time for which a member is muted, in minutes.
    MuteMinutes => integer(1, 1440, 10);
    /// The least time between two messages of a member, in seconds.
    SlowModeSeconds => integer(0, 21600, 30);
    /// The number of users who can join a room with an invitation.
    InvitationUses => integer(1, 100, 3);
    /// The time for which an invitation to a room is valid, in minutes.
    InvitationMinutes => integer(1, 1440, 60);
    /// The number of an invitation in its room.
    InvitationNumber => id("^[1-9][0-9]{0,8}$", 9, "1");
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
    /// The label of a device.
    DeviceLabel => line(device::MAX_CHARS, device::MAX_BYTES, "Ana's phone");
    /// A session.
    SessionId => string(32, 32, "0199f3a5c0de7000a1b2c3d4e5f60718").pattern(Some("^[0-9a-f]{32}$"));
    /// The secret with which a box signs in.
    BoxSecret => string(32, MAX_CHARS, "Tz1mQ8vXr5bN2cK7pL4wS9dF6gH3jY0a");
    /// The token of an invitation to register, or to a room.
    InvitationToken => string(1, MAX_INVITATION_CHARS, "5f0c3a9f4f7f7b1f6a5f2c0f9f1d2e3c5f0c3a9f")
        .pattern(Some("^[A-Za-z0-9_-]+$"));
    /// The contact address of a new user.
    Contact => string(6, contact::MAX_BYTES, "ana@mail.example")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)));
    /// The token of a link that confirms a registration.
    LinkToken => string(1, confirmation::MAX_CHARS, "ana.1772366400.k2Jx7m0Qp4sT9vWzY1bC3d.5f0c3a9f4f7f7b1f6a5f")
        .pattern(Some("^[!-~]+$"));
    /// A password to be set for a room.
    NewRoomPassword => string(MIN_ROOM_PASSWORD, MAX_CHARS, "margherita");
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

/// Matches language tags.
const LOCALE_PATTERN: &str = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$";

/// Matches base64url with and without padding.
const BASE64URL_PATTERN: &str = "^[A-Za-z0-9_-]+=*$";

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

fn push_subscription() -> ObjectBuilder {
    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const ENDPOINT: &str = "https://push.example/4f1b";
    let closed =
        |object: ObjectBuilder| object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    let key = |digits: usize, example| string(digits, digits + 2, example).pattern(Some(BASE64URL_PATTERN));
    let keys = ObjectBuilder::new()
        .property("p256dh", key(P256DH.len(), P256DH).description(Some("The public key, 65 bytes in base64url.")))
        .property("auth", key(AUTH.len(), AUTH).description(Some("The secret, 16 bytes in base64url.")))
        .required("p256dh")
        .required("auth");
    let time = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::Null]));
    let subscription = ObjectBuilder::new()
        .property("endpoint", string(1, values::PushSubscription::MAX_BYTES, ENDPOINT).pattern(Some("^https://")))
        .property("expirationTime", time.description(Some("Has no effect.")))
        .property("keys", closed(keys))
        .required("endpoint")
        .required("keys");
    let limit = format!("At most {} bytes as JSON.", values::PushSubscription::MAX_BYTES);
    closed(subscription)
        .description(Some(limit))
        .examples([json!({ "endpoint": ENDPOINT, "keys": { "p256dh": P256DH, "auth": AUTH } })])
}

fn notification_preferences() -> ObjectBuilder {
    let flag = || ObjectBuilder::new().schema_type(Type::Boolean);
    let kinds = AlarmKind::ALL.iter().fold(ObjectBuilder::new(), |object, kind| object.property(kind.as_str(), flag()));
    let closed = kinds.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    closed.examples([json!({ "reply": true, "reaction": false })])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{passwords, sessions::list};

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
    fn the_schema_has_the_push_providers_of_the_domain() {
        let schema = serde_json::to_value(PushProvider::schema()).unwrap();
        let providers = schema["enum"].as_array().unwrap();
        for provider in providers {
            let parsed: values::PushProvider = serde_json::from_value(provider.clone()).unwrap();
            assert_eq!(parsed.as_str(), provider);
        }
        assert_eq!(providers.len(), values::PushProvider::WebPush as usize + 1);
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
        parses::<PushSubscription, values::PushSubscription>();
        parses::<Locale, values::Locale>();
        parses::<TimeZone, values::TimeZone>();
        parses::<TimeOfDay, values::TimeOfDay>();
        parses::<MaxMembers, values::MaxMembers>();
        parses::<ExtensionHours, values::ExtensionHours>();
        parses::<MuteMinutes, values::MuteMinutes>();
        parses::<SlowModeSeconds, values::SlowModeSeconds>();
        parses::<InvitationUses, values::InvitationUses>();
        parses::<InvitationMinutes, values::InvitationMinutes>();
        parses::<AccountPassword, sign_in::AccountPassword>();
        parses::<BoxSecret, passwords::BoxSecret>();
        parses::<Contact, contact::Contact>();
        parses::<LinkToken, confirmation::LinkToken>();
        parses::<DeviceLabel, device::DeviceLabel>();
        parses::<SessionId, list::SessionId>();
        parses::<NotificationPreferences, domain::NotificationPreferences>();
    }
}
