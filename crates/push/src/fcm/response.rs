//! The bodies of responses: <https://firebase.google.com/docs/cloud-messaging/error-codes>.

use serde::Deserialize;

use crate::{outbound::Response, outcome::Failure};

/// The message with which FCM rejects a token without naming the field.
const INVALID_TOKEN: &str = "The registration token is not a valid FCM registration token";

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
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    error_code: Option<String>,
    #[serde(default)]
    field_violations: Vec<Violation>,
}

#[derive(Deserialize)]
struct Violation {
    #[serde(default)]
    field: String,
}

impl Rejection {
    pub(super) fn of(response: &Response) -> Self {
        serde_json::from_slice::<Body>(&response.body).unwrap_or_default().error
    }

    /// Returns FCM's own code, or the general one.
    pub(super) fn code(&self) -> &str {
        self.details.iter().find_map(|detail| detail.error_code.as_deref()).unwrap_or(&self.status)
    }

    /// Returns true if the token is unregistered or not a token. An invalid argument alone may be the message.
    pub(super) fn is_of_token(&self) -> bool {
        let mut violations = self.details.iter().flat_map(|detail| &detail.field_violations);
        match self.code() {
            "UNREGISTERED" => true,
            "INVALID_ARGUMENT" => {
                violations.any(|violation| violation.field == "message.token") || self.message == INVALID_TOKEN
            }
            _ => false,
        }
    }

    /// Returns the failure of a message. A token of another sender is rejected, not gone: with the account of the wrong
    /// project all tokens are.
    pub(super) fn into_failure(self, response: &Response) -> Failure {
        match (Failure::of(response, self.code()), self.code()) {
            (Failure::Unauthorized { detail }, "SENDER_ID_MISMATCH") => Failure::Rejected { detail },
            (failure, _) => failure,
        }
    }
}

/// Returns the name of an accepted message.
pub(super) fn name_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Accepted>(body).ok().map(|accepted| accepted.name)
}
