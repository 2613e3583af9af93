//! Opaque cursors: the key of the last item and the list to which it belongs.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;

/// The maximum length of a list's cursor in bytes.
const MAX_LENGTH: usize = 512;

/// A zero character in a text of JSON.
const ZERO: &[u8] = br"\u0000";

/// Returns the cursor after the item with this key of this list.
pub(crate) fn encode<K: Serialize>(list: &str, key: &K) -> String {
    let text = serde_json::to_vec(&(list, key)).expect("texts and numbers have a JSON form");
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// Returns the key in a cursor. Rejects a cursor of any other list.
pub(crate) fn decode<K: DeserializeOwned>(list: &str, cursor: Option<&str>) -> Result<Option<K>, Error> {
    cursor.map(|cursor| decode_within(MAX_LENGTH, list, cursor)).transpose()
}

/// Decodes one cursor like [`decode`], with another maximum length.
pub(crate) fn decode_within<K: DeserializeOwned>(longest: usize, list: &str, cursor: &str) -> Result<K, Error> {
    if cursor.len() > longest {
        return Err(Error::InvalidCursor);
    }
    let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::InvalidCursor)?;
    // PostgreSQL has no texts with a zero character.
    if text.windows(ZERO.len()).any(|part| part == ZERO) {
        return Err(Error::InvalidCursor);
    }
    let (found, key): (String, K) = serde_json::from_slice(&text).map_err(|_| Error::InvalidCursor)?;
    if found == list { Ok(key) } else { Err(Error::InvalidCursor) }
}

/// A time in a cursor in microseconds, from 1970 to 9999: within the range that PostgreSQL can compare.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

impl Moment {
    /// The last time of a cursor: the end of the year 9999.
    pub(crate) const LAST: Self = Self(DateTime::from_timestamp_micros(LAST_MICROS).unwrap());
}

const LAST_MICROS: i64 = 253_402_300_799_999_999;

impl TryFrom<i64> for Moment {
    type Error = &'static str;

    fn try_from(micros: i64) -> Result<Self, &'static str> {
        let time = DateTime::from_timestamp_micros(micros).filter(|_| (0..=LAST_MICROS).contains(&micros));
        time.map(Self).ok_or("not a time")
    }
}

impl From<Moment> for i64 {
    fn from(moment: Moment) -> Self {
        moment.0.timestamp_micros()
    }
}

/// A distance in a cursor, bit by bit. A rounded one would repeat or skip an item.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub(crate) struct Distance(pub(crate) f64);

impl From<u64> for Distance {
    fn from(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
}

impl From<Distance> for u64 {
    fn from(distance: Distance) -> Self {
        distance.0.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use domain::BoxId;

    use super::*;

    #[test]
    fn a_cursor_carries_its_key_unchanged() {
        let key = (Distance(1_234.567_890_123), "b-1".parse::<BoxId>().unwrap());
        let cursor = encode("boxes", &key);
        assert_eq!(decode("boxes", Some(&cursor)).unwrap(), Some(key));
        assert_eq!(decode::<(Distance, BoxId)>("boxes", None).unwrap(), None);
    }

    #[test]
    fn a_foreign_or_forged_cursor_is_refused() {
        let foreign = encode("stores", &"b-1");
        let unsafe_id = encode("boxes", &"B 1\0");
        let long = "A".repeat(MAX_LENGTH + 1);
        for bad in [foreign.as_str(), &unsafe_id, &long, "", "%", "AAAA"] {
            assert!(matches!(decode::<BoxId>("boxes", Some(bad)), Err(Error::InvalidCursor)), "{bad}");
        }
        let zero = encode("reports", &"a\0");
        assert!(matches!(decode::<String>("reports", Some(&zero)), Err(Error::InvalidCursor)));
        let far = encode("rooms", &i64::MAX);
        assert!(decode::<Moment>("rooms", Some(&far)).is_err());
    }
}
