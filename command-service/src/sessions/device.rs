//! The description of the device of a session, given at the sign-in: a label, and the client's `User-Agent`.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use serde::Deserialize;
use text::value::{self, Limits};

/// The maximum number of characters of a label.
pub(crate) const MAX_CHARS: usize = 64;

/// The maximum size of a label.
pub(crate) const MAX_BYTES: usize = 256;

/// The number of characters of a `User-Agent` that are stored.
const MAX_USER_AGENT: usize = 128;

/// A label of a device, of one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DeviceLabel(String);

impl TryFrom<String> for DeviceLabel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let limits = Limits { characters: MAX_CHARS, bytes: MAX_BYTES };
        let label = value::line(&text, limits)
            .map_err(|_| format!("a label has 1 to {MAX_CHARS} characters in one line, at most {MAX_BYTES} bytes"))?;
        Ok(Self(label))
    }
}

impl From<DeviceLabel> for String {
    fn from(label: DeviceLabel) -> Self {
        label.0
    }
}

/// The beginning of the client's `User-Agent`, without characters that are not printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserAgent(pub(super) Option<String>);

impl UserAgent {
    fn of(headers: &HeaderMap) -> Self {
        let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let text = headers.get(header::USER_AGENT).map(|value| {
            let bytes = value.as_bytes().iter().filter(|byte| printable(byte));
            bytes.take(MAX_USER_AGENT).map(|byte| char::from(*byte)).collect::<String>()
        });
        Self(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }
}

impl<S: Sync> FromRequestParts<S> for UserAgent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_label_is_one_line_of_bounded_length() {
        let label = |text: &str| DeviceLabel::try_from(text.to_owned()).map(String::from);
        assert_eq!(label(" Ana's phone ").as_deref(), Ok("Ana's phone"));
        assert!(label(&"ü".repeat(64)).is_ok());
        for bad in ["", " ", "two\nlines", &"ü".repeat(65)] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_user_agent_is_cut_and_printable() {
        let agent = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_bytes(value).unwrap());
            UserAgent::of(&headers).0
        };
        assert_eq!(UserAgent::of(&HeaderMap::new()).0, None);
        assert_eq!(agent(b"Browser/1 (Phone)").as_deref(), Some("Browser/1 (Phone)"));
        assert_eq!(agent("Bröwser\t1".as_bytes()).as_deref(), Some("Brwser1"));
        assert_eq!(agent(" ü ".as_bytes()), None);
        assert_eq!(agent(&[b'x'; 500]).map(|text| text.len()), Some(128));
    }
}
