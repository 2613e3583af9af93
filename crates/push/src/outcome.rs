//! The results of an attempt.

use std::time::{Duration, SystemTime};

use hyper::{HeaderMap, StatusCode, Uri, header};

use crate::outbound::{RequestError, Response};

/// The shortest pause that a service can ask for.
pub(crate) const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest pause that a service can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The maximum length of a service's error code in a detail.
const MAX_CODE: usize = 64;

/// The result of a message that a service has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The name of the message at the service. None for Web Push.
    pub reference: Option<String>,
}

/// The targets that a failure concerns, and for which a caller pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The target of the message only.
    Target,
    /// All targets of the service.
    Service,
}

/// The reason why a message was not accepted. Details contain statuses, error codes and causes of broken connections,
/// and nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The target does not exist any more. The device is to be removed, unless it was registered after `since`.
    #[error("the target does not exist any more")]
    Gone {
        /// The time at which the service knew it, by its clock. Only APNs tells.
        since: Option<SystemTime>,
    },
    /// The service will never accept this message for this target. The cause can be a wrong setting of this
    /// installation, so the device is to be kept.
    #[error("rejected: {detail}")]
    Rejected {
        /// The service's reason.
        detail: String,
    },
    /// Too many messages. The message is to be sent again later.
    #[error("throttled")]
    Throttled {
        /// The pause that the service asks for.
        retry_after: Option<Duration>,
        /// The targets that get too many messages.
        scope: Scope,
    },
    /// The service did not respond, or failed. It may have accepted the message, which is to be sent again later.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// The pause that the service asks for.
        retry_after: Option<Duration>,
        /// The targets that cannot be reached. A Web Push endpoint says nothing about others.
        scope: Scope,
        /// The cause.
        detail: String,
    },
    /// The service does not accept the credentials of this installation. With [`Scope::Service`] the message is to be
    /// kept until an operator has corrected them. With [`Scope::Target`] they are accepted for other targets.
    #[error("unauthorized: {detail}")]
    Unauthorized {
        /// The targets for which the credentials are not accepted.
        scope: Scope,
        /// The service's reason.
        detail: String,
    },
}

impl Failure {
    pub(crate) fn rejected(detail: impl Into<String>) -> Self {
        Self::Rejected { detail: detail.into() }
    }

    /// The failure of credentials that no target accepts.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::Unauthorized { scope: Scope::Service, detail: detail.into() }
    }

    /// Returns the failure that a status means in general, with the service's error code.
    pub(crate) fn from_response(response: &Response, code: &str, scope: Scope) -> Self {
        let detail = detail(response.status, code);
        let retry_after = || retry_after(&response.headers);
        match response.status {
            StatusCode::TOO_MANY_REQUESTS => Self::Throttled { retry_after: retry_after(), scope },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Unauthorized { scope, detail },
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Self::Unavailable { retry_after: retry_after(), scope, detail }
            }
            _ => Self::Rejected { detail },
        }
    }

    /// Returns the failure of a request without a response. An address that is not allowed is a matter of the target,
    /// or a wrong setting.
    pub(crate) fn from_request(error: RequestError, scope: Scope) -> Self {
        let detail = error.to_string();
        match (error, scope) {
            (RequestError::Forbidden(_), Scope::Target) => Self::Rejected { detail },
            (RequestError::Forbidden(_) | RequestError::TimedOut(_) | RequestError::Broken(_), _) => {
                Self::Unavailable { retry_after: None, scope, detail }
            }
        }
    }
}

/// The reason why a provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A key or an account cannot be read.
    #[error("{0}")]
    Credentials(String),
    /// An address is not valid.
    #[error("not a {expected} address: {address}")]
    Address {
        /// The kinds of addresses that are allowed.
        expected: &'static str,
        /// The address.
        address: String,
    },
    /// TLS cannot be used.
    #[error("TLS cannot be used")]
    Tls(#[from] rustls::Error),
}

impl SetupError {
    /// Parses the address of a service.
    pub(crate) fn parse_address(address: &str) -> Result<Uri, Self> {
        let has_host = |uri: &Uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let is_valid = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && has_host(uri);
        let uri = address.parse().ok().filter(is_valid);
        uri.ok_or_else(|| Self::Address { expected: "http or https", address: address.to_owned() })
    }
}

/// Returns a status with the service's error code. A text that is not a code is dropped: it could repeat the message.
fn detail(status: StatusCode, code: &str) -> String {
    let is_code =
        (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let status = status.as_u16();
    if is_code { format!("status {status} {code}") } else { format!("status {status}") }
}

/// Returns the pause of a `Retry-After`, which is a number of seconds or a date, within 1 second and 1 hour.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(pause.clamp(MIN_RETRY_AFTER, MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(value: &str) -> Option<Duration> {
        retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]))
    }

    #[test]
    fn a_pause_is_given_in_seconds_or_as_a_date() {
        assert_eq!(pause("120"), Some(Duration::from_mins(2)));
        assert_eq!(pause("99999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(MIN_RETRY_AFTER));
        assert_eq!(pause("0"), Some(MIN_RETRY_AFTER));
        let soon = pause(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(1))).unwrap();
        assert!((58..=60).contains(&soon.as_secs()), "{soon:?}");
        for bad in ["", "soon", "-1", "1.5"] {
            assert_eq!(pause(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_detail_has_a_code_and_no_other_text() {
        assert_eq!(detail(StatusCode::BAD_REQUEST, "BadDeviceToken"), "status 400 BadDeviceToken");
        for text in ["", "the token 00fc13ad", "00fc13ad", "a\nb", &"x".repeat(65)] {
            assert_eq!(detail(StatusCode::BAD_REQUEST, text), "status 400", "{text}");
        }
    }
}
