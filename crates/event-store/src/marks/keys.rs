//! The keys of the last keyed moves of a read marker. The log keeps one message of each marker, so the keys are part of
//! it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wire::subject::hex;

use crate::{codec::envelope::CommandContext, executor::store::principal};

/// The number of keys that a marker keeps.
const MAX_KEYS: usize = 8;

/// The number of hexadecimal digits of each of the two hashes (eight bytes).
const DIGITS: usize = 16;

/// The keys of a marker, the newest last. The serde names are stored; never rename.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct MarkKeys {
    /// Each entry is the hash of a key and the hash of its request, both shortened.
    keys: Vec<String>,
}

/// An earlier use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// The same request.
    Repeat,
    /// Another request.
    OtherRequest,
}

impl MarkKeys {
    /// The version of this shape. Raise it with every change. Other versions are read as no keys.
    pub(crate) const VERSION: u32 = 1;

    /// Returns the earlier use of a command's key. None for a new key, and for a command without one.
    pub(crate) fn earlier_use(&self, subject: &str, context: &CommandContext) -> Option<KeyUse> {
        let pair = pair(subject, context)?;
        let known = self.keys.iter().find(|known| known.get(..DIGITS) == pair.get(..DIGITS))?;
        Some(if *known == pair { KeyUse::Repeat } else { KeyUse::OtherRequest })
    }

    /// Returns the keys after a command. The oldest is dropped if there are too many.
    pub(crate) fn after(mut self, subject: &str, context: &CommandContext) -> Self {
        self.keys.extend(pair(subject, context));
        self.keys.drain(..self.keys.len().saturating_sub(MAX_KEYS));
        self
    }
}

fn pair(subject: &str, context: &CommandContext) -> Option<String> {
    let key = context.command_id.as_deref()?;
    let digest = Sha256::digest(format!("{subject}\n{}\n{key}", principal(context)).as_bytes());
    let (key, request) = (hex(&digest), context.request_hash.to_string());
    Some(format!("{}{}", key.get(..DIGITS)?, request.get(..DIGITS)?))
}
