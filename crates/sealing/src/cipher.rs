//! Personal values of commits: encrypted under their author's key before they are stored, and decrypted after they are
//! read.
//!
//! It operates on the stored bytes: a decrypted commit is byte for byte the original. A commit without encrypted values
//! is only searched.

mod fields;

use std::ops::Range;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use bytes::Bytes;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use domain::{UserId, values::ERASED};
use event_store::{
    codec::envelope::header,
    log::{NewMessage, Recorded},
};
use wire::Source;

use self::fields::FieldLocation;
pub(crate) use self::fields::{EncryptedValue, encrypted_values};

/// Separates these ciphertexts from all others under any key. Part of them; never change.
const PURPOSE: &[u8] = b"boxroom sealed value 1";

const NONCE_BYTES: usize = 24;

/// A user's key, ready for encryption.
#[derive(Clone)]
pub(crate) struct UserKey(XChaCha20Poly1305);

impl UserKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }
}

/// Encrypts with a new nonce, which precedes the ciphertext.
pub(crate) fn encrypt(cipher: &XChaCha20Poly1305, plain: &[u8], associated_data: &[u8]) -> Option<Vec<u8>> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let encrypted = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: associated_data }).ok()?;
    Some([nonce.as_slice(), &encrypted].concat())
}

/// Returns the plaintext. None if the ciphertext was modified, moved, or encrypted with another key.
pub(crate) fn decrypt(cipher: &XChaCha20Poly1305, encrypted: &[u8], associated_data: &[u8]) -> Option<Vec<u8>> {
    let (nonce, encrypted) = encrypted.split_first_chunk::<NONCE_BYTES>()?;
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: encrypted, aad: associated_data }).ok()
}

/// The associated data of a value: its place in the log. The value cannot be decrypted elsewhere.
fn associated_data(subject: &str, commit_id: &str, location: &FieldLocation<'_>, number: usize) -> Vec<u8> {
    let number = number.to_string();
    [PURPOSE, subject.as_bytes(), commit_id.as_bytes(), location.of, location.field, number.as_bytes()].join(&b'\n')
}

/// Returns the owner of a message's personal values. None if it has none.
pub(crate) fn owner(message: &NewMessage) -> Option<UserId> {
    if fields::personal_values(&message.payload).is_empty() {
        return None;
    }
    match Source::parse(&message.subject) {
        Some(Source::User { user_id }) => Some(user_id),
        // The texts of a report are by several users, and are destroyed together.
        Some(Source::Report { report_id }) => Some(report_id.key_owner()),
        // The author of values in a room, and of those about a room, is the actor of the command.
        _ => message.headers.get(header::ACTOR)?.as_str().parse().ok(),
    }
}

/// Returns the message with its personal values encrypted. None if the cipher fails, which cannot happen.
pub(crate) fn encrypt_values(message: &NewMessage, owner: &UserId, key: &UserKey) -> Option<NewMessage> {
    let commit_id = message.headers.get(header::COMMIT_ID)?.as_str();
    let payload = &message.payload;
    let values = fields::personal_values(payload);
    let mut parts = Vec::with_capacity(values.len());
    for (number, value) in values.into_iter().enumerate() {
        let location = fields::location(payload, value.start)?;
        let plain = payload.get(value.clone())?;
        let encrypted = encrypt(&key.0, plain, &associated_data(&message.subject, commit_id, &location, number))?;
        parts.push((value, fields::stored_form(&BASE64.encode(encrypted), owner.as_str()).into_bytes()));
    }
    Some(NewMessage { payload: replaced(payload, &parts), ..message.clone() })
}

/// Decrypts the values of a message with the keys of their owners. None as a key means that the owner was erased. A
/// value that cannot be decrypted stays encrypted, and its event cannot be decoded.
pub(crate) fn decrypt_values<'k>(
    recorded: &mut Recorded,
    values: &[EncryptedValue],
    key_of: impl Fn(&str) -> Option<&'k Option<UserKey>>,
) {
    let commit_id = recorded.header(header::COMMIT_ID).unwrap_or_default();
    let payload = &recorded.payload;
    let mut parts = Vec::with_capacity(values.len());
    for (number, value) in values.iter().enumerate() {
        let plain = match key_of(value.owner(payload)) {
            None => continue,
            Some(None) => format!("\"{ERASED}\"").into_bytes(),
            Some(Some(key)) => {
                let decrypted = fields::location(payload, value.range.start).and_then(|location| {
                    let encrypted = BASE64.decode(value.text(payload)).ok()?;
                    decrypt(&key.0, &encrypted, &associated_data(&recorded.subject, commit_id, &location, number))
                });
                let Some(decrypted) = decrypted else { continue };
                decrypted
            }
        };
        parts.push((value.range.clone(), plain));
    }
    if !parts.is_empty() {
        recorded.payload = replaced(payload, &parts);
    }
}

/// Returns the bytes with these ranges, in ascending order, replaced.
fn replaced(bytes: &[u8], parts: &[(Range<usize>, Vec<u8>)]) -> Bytes {
    let more: usize = parts.iter().map(|(_, part)| part.len()).sum();
    let mut result = Vec::with_capacity(bytes.len() + more);
    let mut copied = 0;
    for (range, part) in parts {
        result.extend_from_slice(bytes.get(copied..range.start).unwrap_or_default());
        result.extend_from_slice(part);
        copied = range.end;
    }
    result.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    result.into()
}

#[cfg(test)]
mod tests;
