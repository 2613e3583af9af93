//! `PUT` and `DELETE /users/me/devices/{device}`

use axum::extract::State;
use domain::{
    UserCommand,
    values::{ApnsToken, Locale, PushProvider, PushSubscription, PushTarget, PushToken},
};
use eserde::Deserialize;
use service_kit::{
    auth::AsUser,
    extract::{Path, invalid_field},
    problem::Problem,
};
use utoipa::ToSchema;

use crate::{
    answer::Done,
    app::App,
    error::Error,
    paths::DevicePath,
    request::{BareCommand, Command},
    schemas,
};

/// A device with its push address and its language.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "provider": "fcm", "token": "fcm-registration-token", "locale": "ko" }))]
pub(crate) struct RegisterDevice {
    /// The push provider, `fcm` by default.
    #[schema(value_type = Option<schemas::PushProvider>)]
    #[serde(default)]
    #[eserde(compat)]
    provider: Option<PushProvider>,
    /// The token of the app: the registration token of `fcm`, or the device token of `apns` in hexadecimal digits.
    #[schema(value_type = Option<schemas::PushToken>)]
    #[serde(default)]
    #[eserde(compat)]
    token: Option<PushToken>,
    /// The subscription of a browser, for `web_push`.
    #[schema(value_type = Option<schemas::PushSubscription>)]
    #[serde(default)]
    #[eserde(compat)]
    subscription: Option<PushSubscription>,
    /// The former name of `token`, for `fcm`.
    #[schema(value_type = Option<schemas::PushToken>, deprecated)]
    #[serde(default)]
    #[eserde(compat)]
    push_token: Option<PushToken>,
    /// The language of push messages, as a language tag (BCP 47). `en` by default.
    #[schema(value_type = Option<schemas::Locale>)]
    #[serde(default)]
    #[eserde(compat)]
    locale: Option<Locale>,
}

impl RegisterDevice {
    /// Returns the push address, which must be in the one field of its provider.
    fn into_target(self) -> Result<PushTarget, Problem> {
        let Self { provider, token, subscription, push_token, locale: _ } = self;
        let provider = provider.unwrap_or_default();
        let is_web = provider == PushProvider::WebPush;
        let given = [
            ("/subscription", subscription.is_some(), is_web),
            ("/token", token.is_some(), !is_web),
            ("/push_token", push_token.is_some(), provider == PushProvider::Fcm && token.is_none()),
        ];
        if let Some((pointer, ..)) = given.iter().find(|(_, is_given, is_allowed)| *is_given && !is_allowed) {
            return Err(invalid_field(pointer, format!("is not allowed here for the provider {}", provider.as_str())));
        }
        let missing = |pointer| invalid_field(pointer, format!("is required for the provider {}", provider.as_str()));
        if is_web {
            return subscription.map(PushTarget::WebPush).ok_or_else(|| missing("/subscription"));
        }
        let token = token.or(push_token).ok_or_else(|| missing("/token"))?;
        if provider == PushProvider::Fcm {
            return Ok(PushTarget::Fcm(token));
        }
        let token = ApnsToken::try_from(String::from(token));
        token.map(PushTarget::Apns).map_err(|error| invalid_field("/token", error.to_string()))
    }
}

/// Adds a device, or changes its push address and language
///
/// The push address is the field `token` for `fcm` and `apns`, and `subscription` for `web_push`.
#[utoipa::path(
    put, path = "/users/me/devices/{device}", tag = "users", params(DevicePath), request_body = RegisterDevice
)]
pub(crate) async fn register_device(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(DevicePath { device_id }): Path<DevicePath>,
    Command { mut body, stamp }: Command<RegisterDevice>,
) -> Result<Done, Error> {
    let locale = body.locale.take().unwrap_or_default();
    let target = body.into_target()?;
    let command = UserCommand::RegisterDevice { device_id, target, locale };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}

/// Removes a device
#[utoipa::path(delete, path = "/users/me/devices/{device}", tag = "users", params(DevicePath))]
pub(crate) async fn remove_device(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(DevicePath { device_id }): Path<DevicePath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = UserCommand::RemoveDevice { device_id, target: None };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    /// Returns the provider and the stored address, or the description of the problem.
    fn target(body: &Value) -> Result<(&'static str, String), String> {
        let body: RegisterDevice = eserde::json::from_str(&body.to_string()).expect("fields of the right form");
        let target = body.into_target().map_err(|problem| json!(problem)["detail"].to_string())?;
        Ok((target.provider().as_str(), target.into()))
    }

    fn subscription() -> Value {
        json!({ "endpoint": "https://push.example/a", "keys": { "p256dh": P256DH, "auth": "BTBZMqHH6r4Tts7J_aSIgg" } })
    }

    #[test]
    fn each_provider_has_its_field() {
        for body in [json!({ "push_token": "a" }), json!({ "token": "a" }), json!({ "provider": "fcm", "token": "a" })]
        {
            assert_eq!(target(&body), Ok(("fcm", "a".to_owned())), "{body}");
        }
        assert_eq!(target(&json!({ "provider": "apns", "token": "00ff" })), Ok(("apns", "00ff".to_owned())));
        let (provider, stored) = target(&json!({ "provider": "web_push", "subscription": subscription() })).unwrap();
        let stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!((provider, stored), ("web_push", subscription()));
    }

    #[test]
    fn the_problem_names_the_field() {
        for (body, field) in [
            (json!({}), "/token is required"),
            (json!({ "provider": "apns" }), "/token is required"),
            (json!({ "provider": "web_push" }), "/subscription is required"),
            (json!({ "provider": "apns", "token": "hexadecimal" }), "/token must"),
            (json!({ "provider": "apns", "push_token": "00ff" }), "/push_token is not"),
            (json!({ "provider": "web_push", "token": "a", "subscription": subscription() }), "/token is not"),
            (json!({ "subscription": subscription() }), "/subscription is not"),
            (json!({ "token": "a", "push_token": "a" }), "/push_token is not"),
        ] {
            let problem = target(&body).unwrap_err();
            assert!(problem.contains(field), "{body}: {problem}");
        }
    }
}
