//! Parses the server's messages of the NATS protocol, for connections without the client library: those that read whole
//! streams, where parsing headers costs too much, and those that receive from untrusted senders, because some headers
//! crash the client library.
//!
//! Nothing that a sender decides is an error here: headers, subjects and contents may be any bytes.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use serde::Deserialize;

/// The longest line of the protocol: the server's description of itself.
const LONGEST_LINE: usize = 64 * 1024;

/// The beginning of the first line of headers.
const VERSION: &[u8] = b"NATS/1.0";

/// One operation of the server.
#[derive(Debug)]
pub enum ServerOp {
    /// `INFO`: the server's description of itself.
    Info(Info),
    /// `MSG` or `HMSG`.
    Message(Message),
    /// `PING`, to be answered with `PONG`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Done,
    /// `-ERR` with its text.
    Error(String),
}

/// The server's description of itself.
#[derive(Debug, Deserialize)]
pub struct Info {
    /// True if the server expects TLS.
    #[serde(default)]
    pub tls_required: bool,
}

/// A message, in the bytes that came.
#[derive(Debug, Clone)]
pub struct Message {
    /// `HMSG <subject> <sid> [reply-to] <length of headers> <length of all>`, or `MSG` without the length of headers.
    line: Bytes,
    /// The block of headers, empty for a message without one.
    pub headers: Bytes,
    /// The content.
    pub payload: Bytes,
}

impl Message {
    /// The code and the text of a status message; none for any other message.
    pub fn status(&self) -> Option<(u16, &str)> {
        let line = self.headers.strip_prefix(VERSION)?.split(|byte| *byte == b'\r').next()?;
        let line = std::str::from_utf8(line).ok()?.trim();
        let (code, description) = line.split_once(' ').unwrap_or((line, ""));
        Some((code.parse().ok()?, description))
    }

    /// The subject, if it is text.
    pub fn subject(&self) -> Option<&str> {
        std::str::from_utf8(self.words().nth(1)?).ok()
    }

    /// The subject for the answer, if one is wanted and it is text.
    pub fn reply(&self) -> Option<&str> {
        let lengths = if self.line.starts_with(b"HMSG") { 2 } else { 1 };
        let mut words = self.words().skip(3);
        let reply = words.next()?;
        (words.count() == lengths).then(|| std::str::from_utf8(reply).ok())?
    }

    /// The first value of a header, if it is text without control characters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.split(|byte| *byte == b'\n').skip(1);
        let value = lines.filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':'));
        let value =
            value.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()?;
        (!value.contains(char::is_control)).then_some(value)
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.line.trim_ascii_end().split(|byte| *byte == b' ')
    }
}

/// Takes the next operation of the server once it is complete. An error means that the peer is not a NATS server.
pub fn take(received: &mut BytesMut) -> io::Result<Option<ServerOp>> {
    let Some(end) = memchr(b'\n', received) else {
        return if received.len() > LONGEST_LINE { Err(malformed("a line without end")) } else { Ok(None) };
    };
    let line = received.get(..end).unwrap_or_default().trim_ascii_end();
    let (verb, rest) = match memchr(b' ', line) {
        Some(space) => line.split_at(space),
        None => (line, &[][..]),
    };
    let lengths = match verb {
        b"HMSG" => Some(lengths(rest)?),
        b"MSG" => Some((0, length(rest)?.1)),
        _ => None,
    };
    if let Some(lengths) = lengths {
        return take_message(received, end + 1, lengths);
    }
    let operation = match verb {
        b"PING" => ServerOp::Ping,
        b"PONG" => ServerOp::Pong,
        b"-ERR" => ServerOp::Error(String::from_utf8_lossy(rest.trim_ascii()).into_owned()),
        b"INFO" => ServerOp::Info(serde_json::from_slice(rest)?),
        b"+OK" => ServerOp::Done,
        _ => return Err(malformed("an unknown line")),
    };
    received.advance(end + 1);
    Ok(Some(operation))
}

/// Takes a message: its line, its headers, its content, and a line's end.
fn take_message(
    received: &mut BytesMut,
    line: usize,
    (of_headers, of_all): (usize, usize),
) -> io::Result<Option<ServerOp>> {
    let content = line.checked_add(of_all).ok_or_else(|| malformed("a message without end"))?;
    if received.len().saturating_sub(2) < content {
        return Ok(None);
    }
    let mut payload = received.split_to(content + 2).freeze();
    payload.truncate(content);
    let line = payload.split_to(line);
    let headers = payload.split_to(of_headers);
    Ok(Some(ServerOp::Message(Message { line, headers, payload })))
}

/// The length of the headers, and of all.
fn lengths(line: &[u8]) -> io::Result<(usize, usize)> {
    let (rest, all) = length(line)?;
    match length(rest)? {
        (_, headers) if headers <= all => Ok((headers, all)),
        _ => Err(malformed("headers longer than their message")),
    }
}

/// The last word of a line as a number, and what stands before it.
fn length(line: &[u8]) -> io::Result<(&[u8], usize)> {
    let space = memchr::memrchr(b' ', line).ok_or_else(|| malformed("a message without length"))?;
    let (rest, last) = line.split_at(space);
    let length = std::str::from_utf8(last).ok().and_then(|last| last.trim_start().parse().ok());
    Ok((rest, length.ok_or_else(|| malformed("a message without length"))?))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> io::Result<Option<ServerOp>> {
        take(&mut BytesMut::from(bytes))
    }

    fn message(bytes: &[u8]) -> Message {
        match taken(bytes) {
            Ok(Some(ServerOp::Message(message))) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_is_parsed_only_when_it_is_complete() {
        let whole = b"HMSG cmd.x 1 _R_.a 20 25\r\nNATS/1.0\r\nx-a: b\r\n\r\nhello\r\nPING\r\n";
        let mut received = BytesMut::new();
        for (count, byte) in whole.iter().enumerate() {
            received.extend_from_slice(&[*byte]);
            match take(&mut received) {
                Ok(None) => {}
                Ok(Some(ServerOp::Message(message))) => {
                    assert_eq!(count, whole.len() - 7);
                    assert_eq!((message.subject(), message.reply()), (Some("cmd.x"), Some("_R_.a")));
                    assert_eq!((message.header("X-A"), &message.payload[..]), (Some("b"), &b"hello"[..]));
                }
                Ok(Some(ServerOp::Ping)) => assert!(received.is_empty()),
                other => panic!("{other:?}"),
            }
        }
        assert!(received.is_empty());
    }

    #[test]
    fn a_message_may_contain_any_bytes() {
        for block in [
            &b"NATS/1.0\r\nx-a: b\rc\r\n\r\n"[..],
            b"NATS/1.0\r\nx-a: \xff\xfe\r\n\r\n",
            b"NATS/1.0\r\nx-a\r\n\r\n",
            b"no version line",
            b"\r\n\r\n\n\r",
            b"\0",
            b"",
        ] {
            let mut bytes = format!("HMSG cmd.x 1 {} {}\r\n", block.len(), block.len()).into_bytes();
            bytes.extend_from_slice(block);
            let message = message(&[&bytes[..], b"\r\n"].concat());
            assert_eq!((message.header("x-a"), message.reply(), message.status()), (None, None, None), "{block:?}");
            assert_eq!(message.headers, block);
        }
        let odd = message(b"MSG cmd.\xff 1 2\r\n\r\n\r\n");
        assert_eq!((odd.subject(), odd.reply(), &odd.payload[..]), (None, None, &b"\r\n"[..]));
        assert_eq!(message(b"MSG a 1 _R_.b 0\r\n\r\n").reply(), Some("_R_.b"));
    }

    #[test]
    fn a_status_is_distinguished_from_a_message() {
        assert_eq!(
            message(b"HMSG a 1 28 28\r\nNATS/1.0 404 No Messages\r\n\r\n\r\n").status(),
            Some((404, "No Messages"))
        );
        assert_eq!(message(b"HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n").status(), None);
    }

    #[test]
    fn an_invalid_protocol_line_is_an_error() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"MSG\r\n",
            b"MSG a 1 -1\r\n",
            b"HMSG a 1 9 8\r\n",
            b"INFO {\r\n",
            b"\r\n",
        ] {
            assert!(taken(bytes).is_err(), "{bytes:?}");
        }
        assert!(taken(b"MSG a 1 18446744073709551615\r\n").is_err());
        assert!(taken(&vec![b'x'; LONGEST_LINE + 1]).is_err());
        assert!(matches!(taken(b"-ERR 'Authorization Violation'\r\n"), Ok(Some(ServerOp::Error(_)))));
        assert!(matches!(taken(b"-ERR\r\n"), Ok(Some(ServerOp::Error(_)))));
    }
}
