//! The claims of a token from the command-service.

use chrono::{DateTime, Utc};
use domain::BoxId;
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Role};

/// The issuer of the tokens from the command-service.
pub(super) const ISSUER: &str = "boxroom";

/// The claims of a token that a command-service has signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) role: String,
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    pub(super) box_id: Option<BoxId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
    #[serde(default)]
    pub(super) jti: String,
    /// The time of issue in seconds, exact to the millisecond: a sign-in just after a sign-out everywhere stays valid.
    pub(super) iat: f64,
    pub(super) exp: i64,
    /// The time of the sign-in, which a refresh does not change. A token without a session is its own sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auth_time: Option<i64>,
}

impl Claims {
    /// Returns the caller. None if a claim is not valid.
    pub(super) fn into_caller(self) -> Option<Caller> {
        let issued_at = time_of(self.iat)?;
        let authenticated_at = match (self.auth_time, &self.sid) {
            (Some(time), _) => DateTime::from_timestamp(time, 0),
            (None, None) => Some(issued_at),
            (None, Some(_)) => None,
        };
        Some(Caller {
            user_id: self.sub.parse().ok()?,
            role: Role::named(&self.role, self.box_id)?,
            issued_at,
            authenticated_at,
            expires_at: DateTime::from_timestamp(self.exp, 0)?,
            session: self.sid,
        })
    }
}

/// Converts a `NumericDate`, which may have a fraction.
#[expect(clippy::cast_possible_truncation, reason = "a time beyond all numbers is refused by chrono")]
pub(super) fn time_of(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64)
}

/// Returns a time as a `NumericDate`.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era have 41 bits")]
pub(super) fn seconds_of(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}
