//! The headers of a stored message, parsed by the client library or as raw lines of the protocol.

use async_nats::HeaderMap;
use bytes::Bytes;

/// The headers of a stored message.
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
    /// Wraps the raw lines of the protocol. Lines that are not headers are ignored.
    pub(crate) fn lines(lines: Bytes) -> Self {
        Self(Form::Lines(lines))
    }

    /// Visits every header in one pass. Looking up each by its name would take most of the time of reading a log.
    pub fn each<'a>(&'a self, mut visit: impl FnMut(&'a str, &'a str)) {
        match &self.0 {
            Form::Parsed(headers) => {
                for (name, values) in headers.iter() {
                    for value in values {
                        visit(name.as_ref(), value.as_str());
                    }
                }
            }
            Form::Lines(lines) => in_lines(lines).for_each(|(name, value)| visit(name, value)),
        }
    }

    /// Returns a header's first value.
    pub fn get(&self, name: &str) -> Option<&str> {
        match &self.0 {
            Form::Parsed(headers) => Some(headers.get(name)?.as_str()),
            Form::Lines(lines) => in_lines(lines).find_map(|(one, value)| (one == name).then_some(value)),
        }
    }
}

fn in_lines(lines: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    // Searching for one byte is many times faster than for two.
    let lines = std::str::from_utf8(lines).unwrap_or_default().split('\n');
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim_matches([' ', '\r'])))
}
