//! The headers of a stored message: taken apart by the client library, or as they came over the wire.

use async_nats::HeaderMap;
use bytes::Bytes;

/// What stands before a message's content, and where it stands in the log.
#[derive(Debug, Clone)]
pub struct StoredHeaders(Form);

#[derive(Debug, Clone)]
enum Form {
    Parsed(HeaderMap),
    /// `Name: value` lines.
    Lines(Bytes),
}

impl From<HeaderMap> for StoredHeaders {
    fn from(headers: HeaderMap) -> Self {
        Self(Form::Parsed(headers))
    }
}

impl StoredHeaders {
    /// The lines as the protocol has them. What is no header says nothing.
    pub(crate) fn lines(lines: Bytes) -> Self {
        Self(Form::Lines(lines))
    }

    /// Shows every header, in one pass: looking each up by its name is what reading a log would spend most of its time on.
    pub fn each<'a>(&'a self, mut see: impl FnMut(&'a str, &'a str)) {
        match &self.0 {
            Form::Parsed(headers) => {
                for (name, values) in headers.iter() {
                    for value in values {
                        see(name.as_ref(), value.as_str());
                    }
                }
            }
            Form::Lines(lines) => in_lines(lines).for_each(|(name, value)| see(name, value)),
        }
    }

    /// A header's first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        match &self.0 {
            Form::Parsed(headers) => Some(headers.get(name)?.as_str()),
            Form::Lines(lines) => in_lines(lines).find_map(|(one, value)| (one == name).then_some(value)),
        }
    }
}

fn in_lines(lines: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    // To search for one byte is many times faster than for two.
    let lines = std::str::from_utf8(lines).unwrap_or_default().split('\n');
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim_matches([' ', '\r'])))
}
