//! Where personal values stand in the bytes of a commit, plain and sealed.
//!
//! What is searched for holds a quotation mark that no backslash precedes, so it is never found within a text: a commit is
//! compact JSON of our own making, and what others say stands in it escaped.

use std::{ops::Range, sync::LazyLock};

use memchr::{memchr, memchr2, memmem};

/// The fields that are sealed, and the events that they are of. `state` is the aggregate's state after the commit. A
/// new event or field with something personal has to be added here.
const PERSONAL: [(&str, &str); 7] = [
    ("message_posted", "body"),
    ("message_edited", "body"),
    ("room_opened", "title"),
    ("user_registered", "nickname"),
    ("nickname_changed", "nickname"),
    ("device_registered", "push_token"),
    ("state", "nickname"),
];

/// Where a field of each name begins, up to its text.
const STARTS: [&[u8]; 4] = [br#""body":""#, br#""title":""#, br#""nickname":""#, br#""push_token":""#];

/// What a sealed value looks like: `{"sealed":"<nonce and ciphertext in base64>","of":"<user>"}`. Stored; never change.
const SEALED: &[u8] = br#"{"sealed":""#;
const OF: &[u8] = br#"","of":""#;
const END: &[u8] = br#""}"#;

const TYPE: &[u8] = br#""type":""#;
const STATE: &[u8] = br#","state":{"version":"#;

static FIND_SEALED: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(SEALED));
static FIND_STATE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(STATE));
static FIND_TYPE: LazyLock<memmem::FinderRev<'static>> = LazyLock::new(|| memmem::FinderRev::new(TYPE));

/// The field in which a value stands, and the event (or the state) that has the field.
pub(super) struct Place<'a> {
    pub(super) of: &'a [u8],
    pub(super) field: &'a [u8],
}

/// The place of the value that begins here.
pub(super) fn place(payload: &[u8], start: usize) -> Option<Place<'_>> {
    let before = payload.get(..start)?.strip_suffix(br#"":"#)?;
    let field = before.get(memchr::memrchr(b'"', before)? + 1..)?;
    let event = FIND_TYPE.rfind(before)? + TYPE.len();
    let of = before.get(event..)?;
    if FIND_STATE.find(of).is_some() {
        return Some(Place { of: b"state", field });
    }
    Some(Place { of: of.get(..memchr(b'"', of)?)?, field })
}

/// Where the personal texts stand that are not sealed, quotation marks included, in order. There is nothing to hide in
/// an empty one.
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
    place(payload, start).is_some_and(|place| {
        PERSONAL.iter().any(|(of, field)| of.as_bytes() == place.of && field.as_bytes() == place.field)
    })
}

/// Behind the text that begins with this quotation mark.
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

/// A sealed value as it is stored.
pub(super) fn written(sealed: &str, owner: &str) -> String {
    format!(r#"{{"sealed":"{sealed}","of":"{owner}"}}"#)
}

/// Where a sealed value stands, and in it the text and the owner's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedValue {
    pub(super) range: Range<usize>,
    text: Range<usize>,
    owner: Range<usize>,
}

impl SealedValue {
    pub(super) fn text<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        payload.get(self.text.clone()).unwrap_or_default()
    }

    /// Whose key opens it.
    pub(crate) fn owner<'a>(&self, payload: &'a [u8]) -> &'a str {
        payload.get(self.owner.clone()).and_then(|owner| str::from_utf8(owner).ok()).unwrap_or_default()
    }
}

/// Whether there is a sealed value in a commit.
pub(crate) fn holds_sealed(payload: &[u8]) -> bool {
    FIND_SEALED.find(payload).is_some()
}

/// The sealed values of a commit, in order.
pub(crate) fn sealed_values(payload: &[u8]) -> Vec<SealedValue> {
    FIND_SEALED.find_iter(payload).filter_map(|start| sealed_value(payload, start)).collect()
}

fn sealed_value(payload: &[u8], start: usize) -> Option<SealedValue> {
    let ends_at = |from: usize| Some(from + memchr(b'"', payload.get(from..)?)?);
    let text = start + SEALED.len();
    let text = text..ends_at(text)?;
    let owner = text.end + OF.len();
    let owner = payload.get(text.end..owner)?.eq(OF).then_some(owner)?;
    let owner = owner..ends_at(owner)?;
    let end = owner.end + END.len();
    let range = payload.get(owner.end..end)?.eq(END).then_some(start..end)?;
    Some(SealedValue { range, text, owner })
}
