//! The bodies of responses: <https://firebase.google.com/docs/cloud-messaging/error-codes>.

use serde::Deserialize;

use crate::{
    outbound::Response,
    outcome::{Failure, Scope},
};

/// The error code of a target whose own service (APNs, Web Push) rejects the credentials stored in FCM.
pub(super) const THIRD_PARTY_AUTH_ERROR: &str = "THIRD_PARTY_AUTH_ERROR";

/// The maximum length of the name of an accepted message.
const MAX_NAME: usize = 256;

#[derive(Deserialize)]
struct Accepted {
    name: String,
}

#[derive(Deserialize, Default)]
struct Body {
    #[serde(default)]
    error: Rejection,
}

/// The error in a response. All fields are optional: a proxy answers with other bodies.
#[derive(Deserialize, Default)]
pub(super) struct Rejection {
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    error_code: Option<String>,
    /// The exceeded quotas.
    #[serde(default)]
    violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct Violation {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    description: String,
}

impl Violation {
    /// Returns true for the quota of a device. FCM documents its name only: "Device message rate exceeded".
    fn concerns_device(&self) -> bool {
        let is_named = |text: &str| text.to_ascii_lowercase().starts_with("device");
        is_named(&self.subject) || is_named(&self.description)
    }
}

impl Rejection {
    pub(super) fn of(response: &Response) -> Self {
        serde_json::from_slice::<Body>(&response.body).unwrap_or_default().error
    }

    /// Returns FCM's own code, or the general one.
    pub(super) fn code(&self) -> &str {
        self.details.iter().find_map(|detail| detail.error_code.as_deref()).unwrap_or(&self.status)
    }

    /// Returns the failure of a message. Only an unregistered token is gone: with the account of the wrong project, or
    /// with a message that is not valid, all tokens get the other errors.
    pub(super) fn to_failure(&self, response: &Response) -> Failure {
        let scope = if self.concerns_target() { Scope::Target } else { Scope::Service };
        let code = self.code();
        if response.status.as_u16() == 404 && code == "UNREGISTERED" {
            return Failure::Gone { since: None };
        }
        match Failure::from_response(response, code, scope) {
            Failure::Unauthorized { detail, .. } if code == "SENDER_ID_MISMATCH" => Failure::Rejected { detail },
            failure => failure,
        }
    }

    /// Returns true for an error that says nothing about other targets.
    fn concerns_target(&self) -> bool {
        let mut violations = self.details.iter().flat_map(|detail| &detail.violations);
        self.code() == THIRD_PARTY_AUTH_ERROR || violations.any(Violation::concerns_device)
    }
}

/// Returns the name of an accepted message, which is a path of visible ASCII.
pub(super) fn message_name(body: &[u8]) -> Option<String> {
    let name = serde_json::from_slice::<Accepted>(body).ok()?.name;
    let is_name = name.len() <= MAX_NAME && name.starts_with("projects/") && name.bytes().all(|b| b.is_ascii_graphic());
    is_name.then_some(name)
}
