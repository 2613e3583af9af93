//! The results of an attempt.

use std::time::{Duration, SystemTime};

use hyper::{HeaderMap, StatusCode, Uri, header};
use tokio::time::timeout;

use crate::outbound::{RequestError, Response};

/// The longest pause that a service can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The maximum length of a service's error code in a detail.
const MAX_CODE: usize = 64;

/// The result of a message that a service has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The name of the message at the service. None for Web Push.
    pub reference: Option<String>,
}

/// The reason why a message was not accepted. Details contain statuses, error codes and causes of broken connections,
/// and nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The target does not exist any more. The device is to be removed.
    #[error("the target does not exist any more")]
    Gone,
    /// The service will never accept this message for this target.
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
    },
    /// The service did not respond, or failed. It may have accepted the message, which is to be sent again later.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// The pause that the service asks for.
        retry_after: Option<Duration>,
        /// The cause.
        detail: String,
    },
    /// The service does not accept the credentials of this installation. The message is to be kept until an operator
    /// has corrected them.
    #[error("unauthorized: {detail}")]
    Unauthorized {
        /// The service's reason.
        detail: String,
    },
}

impl Failure {
    pub(crate) fn rejected(detail: impl Into<String>) -> Self {
        Self::Rejected { detail: detail.into() }
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::Unauthorized { detail: detail.into() }
    }

    /// Returns the failure that a status means in general, with the service's error code.
    pub(crate) fn of(response: &Response, code: &str) -> Self {
        let detail = detail(response.status, code);
        match response.status {
            StatusCode::TOO_MANY_REQUESTS => Self::Throttled { retry_after: retry_after(&response.headers) },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Unauthorized { detail },
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Self::Unavailable { retry_after: retry_after(&response.headers), detail }
            }
            _ => Self::Rejected { detail },
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let detail = error.to_string();
        match error {
            RequestError::Forbidden(_) => Self::Rejected { detail },
            RequestError::TimedOut(_) | RequestError::Broken(_) => Self::Unavailable { retry_after: None, detail },
        }
    }
}

/// Limits the time of an attempt, which may consist of several requests.
pub(crate) async fn within(
    limit: Duration,
    attempt: impl Future<Output = Result<Receipt, Failure>>,
) -> Result<Receipt, Failure> {
    timeout(limit, attempt).await.unwrap_or_else(|_| Err(RequestError::TimedOut(limit).into()))
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
    pub(crate) fn check_address(address: &str) -> Result<Uri, Self> {
        let is_usable = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
        let uri = address.parse().ok().filter(is_usable);
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

/// Returns the pause of a `Retry-After`, which is a number of seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(pause.min(MAX_RETRY_AFTER))
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
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
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
