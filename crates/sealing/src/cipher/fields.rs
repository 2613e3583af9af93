//! The places of personal values in the bytes of a commit, plain and encrypted.
//!
//! The search patterns contain a quotation mark that is not preceded by a backslash, so they never match within a text:
//! a commit is compact JSON written by the services, and the texts in it are escaped.

use std::{ops::Range, sync::LazyLock};

use event_store::codec::envelope::SEALED;
use memchr::{memchr, memchr2, memmem};

/// The encrypted fields and their events. `state` is the aggregate's state after the commit. Add new personal fields of
/// events here.
const PERSONAL: [(&str, &str); 14] = [
    ("message_posted", "body"),
    ("message_edited", "body"),
    ("room_opened", "title"),
    ("room_changed", "title"),
    ("user_registered", "nickname"),
    ("nickname_changed", "nickname"),
    ("device_registered", "target"),
    ("quiet_hours_set", "time_zone"),
    ("report_filed", "text"),
    ("report_filed", "note"),
    ("report_resolved", "note"),
    ("message_held", "text"),
    ("state", "nickname"),
    ("state", "text"),
];

/// The beginnings of the personal fields, up to the opening quotation mark of the text.
const STARTS: [&[u8]; 7] = [
    br#""body":""#,
    br#""title":""#,
    br#""nickname":""#,
    br#""target":""#,
    br#""time_zone":""#,
    br#""text":""#,
    br#""note":""#,
];

/// The rest of the form of an encrypted value after [`SEALED`]:
/// `{"sealed":"<nonce and ciphertext in base64>","of":"<user>"}`. Stored; never change.
const OF: &[u8] = br#"","of":""#;
const END: &[u8] = br#""}"#;

const TYPE: &[u8] = br#""type":""#;
const STATE: &[u8] = br#","state":{"version":"#;

static FIND_ENCRYPTED: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(SEALED));
static FIND_STATE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(STATE));
static FIND_TYPE: LazyLock<memmem::FinderRev<'static>> = LazyLock::new(|| memmem::FinderRev::new(TYPE));

/// The field of a value, and the event (or the state) that has the field.
pub(super) struct FieldLocation<'a> {
    pub(super) of: &'a [u8],
    pub(super) field: &'a [u8],
}

/// Returns the place of the value that begins here.
pub(super) fn location(payload: &[u8], start: usize) -> Option<FieldLocation<'_>> {
    let before = payload.get(..start)?.strip_suffix(br#"":"#)?;
    let field = before.get(memchr::memrchr(b'"', before)? + 1..)?;
    let event = FIND_TYPE.rfind(before)? + TYPE.len();
    let of = before.get(event..)?;
    if FIND_STATE.find(of).is_some() {
        return Some(FieldLocation { of: b"state", field });
    }
    Some(FieldLocation { of: of.get(..memchr(b'"', of)?)?, field })
}

/// Returns the ranges of the personal texts that are not encrypted, in order and with their quotation marks. Empty
/// texts are omitted, because they need no encryption.
pub(super) fn personal_values(payload: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<_> = STARTS
        .iter()
        .flat_map(|start| memmem::find_iter(payload, start).map(|at| at + start.len() - 1))
        .filter_map(|start| Some(start..text_end(payload, start)?))
        .filter(|value| value.len() > 2 && is_personal(payload, value.start))
        .collect();
    found.sort_by_key(|value| value.start);
    found
}

fn is_personal(payload: &[u8], start: usize) -> bool {
    location(payload, start).is_some_and(|location| {
        PERSONAL.iter().any(|(of, field)| of.as_bytes() == location.of && field.as_bytes() == location.field)
    })
}

/// Returns the end of the text that begins with this quotation mark.
fn text_end(payload: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let next = at + memchr2(b'"', b'\\', payload.get(at..)?)?;
        match payload.get(next)? {
            b'"' => return Some(next + 1),
            _ => at = next + 2,
        }
    }
}

/// Returns an encrypted value as it is stored.
pub(super) fn stored_form(encrypted: &str, owner: &str) -> String {
    format!(r#"{{"sealed":"{encrypted}","of":"{owner}"}}"#)
}

/// The range of an encrypted value, and in it the ranges of the ciphertext and of the owner's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncryptedValue {
    pub(super) range: Range<usize>,
    text: Range<usize>,
    owner: Range<usize>,
}

impl EncryptedValue {
    pub(super) fn text<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        payload.get(self.text.clone()).unwrap_or_default()
    }

    /// Returns the id of the user whose key decrypts it.
    pub(crate) fn owner<'a>(&self, payload: &'a [u8]) -> &'a str {
        payload.get(self.owner.clone()).and_then(|owner| str::from_utf8(owner).ok()).unwrap_or_default()
    }
}

/// Returns the encrypted values of a commit, in order.
pub(crate) fn encrypted_values(payload: &[u8]) -> Vec<EncryptedValue> {
    FIND_ENCRYPTED.find_iter(payload).filter_map(|start| encrypted_value(payload, start)).collect()
}

fn encrypted_value(payload: &[u8], start: usize) -> Option<EncryptedValue> {
    let ends_at = |from: usize| Some(from + memchr(b'"', payload.get(from..)?)?);
    let text = start + SEALED.len();
    let text = text..ends_at(text)?;
    let owner = text.end + OF.len();
    let owner = payload.get(text.end..owner)?.eq(OF).then_some(owner)?;
    let owner = owner..ends_at(owner)?;
    let end = owner.end + END.len();
    let range = payload.get(owner.end..end)?.eq(END).then_some(start..end)?;
    Some(EncryptedValue { range, text, owner })
}
