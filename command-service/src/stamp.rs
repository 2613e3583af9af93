//! The identity of a command and of its repeats: the idempotency key, the hash of the request, the time.

use std::{fs, io, path::Path};

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use domain::{UserId, values::Reason};
use event_store::{ActorRole, CommandContext, RequestHash};
use service_kit::{
    clock,
    trace::{self, TRACEPARENT},
};
use tracing::Span;

use crate::problems::Code;

/// The header with the client's id of a command.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The identity of a command and of its repeats.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// The client's `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// The time at which the command was received.
    pub(crate) at: DateTime<Utc>,
    request_hash: RequestHash,
    traceparent: Option<String>,
}

impl Stamp {
    /// Stamps a command that is received now. The trace is that of this request, or the one that the client began if
    /// this process records none.
    pub(crate) fn new(key: Option<String>, request_hash: RequestHash, headers: &HeaderMap) -> Self {
        Self { key, at: clock::now(), request_hash, traceparent: traceparent(headers) }
    }

    /// The context of a command of this user.
    pub(crate) fn by(&self, actor: &UserId) -> CommandContext {
        self.in_role(ActorRole::User, actor)
    }

    /// The context of a command of this operator.
    pub(crate) fn by_operator(&self, actor: &UserId) -> CommandContext {
        self.in_role(ActorRole::Operator, actor)
    }

    /// The context of a command of this operator with a reason.
    pub(crate) fn of_operator(&self, actor: &UserId, reason: Reason) -> CommandContext {
        CommandContext { reason: Some(reason), ..self.by_operator(actor) }
    }

    /// The context of a command of a box, which signed in with this id.
    pub(crate) fn by_device(&self, actor: &UserId) -> CommandContext {
        self.in_role(ActorRole::Device, actor)
    }

    /// The context of a command of this principal.
    pub(crate) fn in_role(&self, role: ActorRole, actor: &UserId) -> CommandContext {
        CommandContext {
            command_id: self.key.clone(),
            request_hash: self.request_hash,
            actor: actor.clone(),
            role,
            at: self.at,
            traceparent: self.traceparent.clone(),
            reason: None,
        }
    }
}

/// Returns the client's id of the command: 1 to 64 visible characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Code> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let visible = !value.is_empty() && value.len() <= 64 && value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if visible && values.next().is_none() => Ok(Some(key.to_owned())),
        _ => Err(Code::InvalidIdempotencyKey),
    }
}

fn traceparent(headers: &HeaderMap) -> Option<String> {
    let begun_outside = || headers.get(TRACEPARENT)?.to_str().ok().filter(|text| trace::is_well_formed(text));
    trace::traceparent_of(&Span::current()).or_else(|| begun_outside().map(str::to_owned))
}

/// The secret for keyed hashes of requests: bodies hold passwords.
pub(crate) struct RequestSecret(Vec<u8>);

impl RequestSecret {
    /// Reads the secret from a file of 32 bytes in hexadecimal digits.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::parse(text.trim())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "must hold 32 bytes as 64 hexadecimal digits"))
    }

    fn parse(digits: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> =
            digits.chars().map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
        let digits = digits.filter(|digits| digits.len() == 64)?;
        Some(Self(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()))
    }

    /// Returns the keyed hash of these parts.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> RequestHash {
        RequestHash::keyed(&self.0, parts)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_has_1_to_64_visible_characters() {
        let key = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            idempotency_key(&headers)
        };
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
        assert_eq!(key(b"0194-x!~"), Ok(Some("0194-x!~".to_owned())));
        assert_eq!(key(&[b'x'; 64]), Ok(Some("x".repeat(64))));
        for bad in [b"".as_slice(), &[b'x'; 65], b"a b", b"a\tb", "ä".as_bytes()] {
            assert_eq!(key(bad), Err(Code::InvalidIdempotencyKey));
        }
        let mut twice = HeaderMap::new();
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("b"));
        assert_eq!(idempotency_key(&twice), Err(Code::InvalidIdempotencyKey));
    }

    #[test]
    fn a_request_hash_covers_method_path_and_body_under_the_secret() {
        let secret = RequestSecret::parse(&"0f".repeat(32)).unwrap();
        let other = RequestSecret::parse(&"0e".repeat(32)).unwrap();
        let request: [&[u8]; 3] = [b"POST", b"/rooms/b.1/messages", b"{}"];
        assert_eq!(secret.hash(&request), secret.hash(&request));
        assert_ne!(secret.hash(&request), other.hash(&request));
        for another in [
            [b"PUT".as_slice(), b"/rooms/b.1/messages", b"{}"],
            [b"POST", b"/rooms/b.2/messages", b"{}"],
            [b"POST", b"/rooms/b.1/messages", b"{ }"],
            [b"POST", b"/rooms/b.1/messages{}", b""],
        ] {
            assert_ne!(secret.hash(&request), secret.hash(&another));
        }
        for bad in ["", "0f", &"0g".repeat(32), &"0f".repeat(33)] {
            assert!(RequestSecret::parse(bad).is_none());
        }
    }
}
