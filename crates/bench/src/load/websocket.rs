//! The client side of WebSocket, as lean as it can be: no copy of a received frame, no masking work.

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Close,
    Ping,
    Other,
}

/// A received frame: its kind, and the place of its payload in the buffer. The next frame begins at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// Returns the first frame of a buffer, or none if it is not complete.
pub(crate) fn parse(buffer: &[u8]) -> Option<Frame> {
    let (&first, &second) = (buffer.first()?, buffer.get(1)?);
    let (begin, size) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)),
        size => (2, u64::from(size)),
    };
    let end = begin + usize::try_from(size).ok()?;
    let kind = match first & 0x0f {
        1 => Kind::Text,
        8 => Kind::Close,
        9 => Kind::Ping,
        _ => Kind::Other,
    };
    (buffer.len() >= end).then_some(Frame { kind, begin, end })
}

/// Appends a text frame. Its mask is zero, so the payload is sent as it is.
pub(crate) fn write_text(to: &mut Vec<u8>, payload: &[u8]) {
    write(to, 0x81, payload);
}

/// Appends the answer to a ping.
pub(crate) fn write_pong(to: &mut Vec<u8>, payload: &[u8]) {
    write(to, 0x8a, payload);
}

fn write(to: &mut Vec<u8>, first: u8, payload: &[u8]) {
    to.push(first);
    match u16::try_from(payload.len()) {
        Ok(size @ ..126) => to.push(0x80 | size.to_be_bytes()[1]),
        Ok(size) => {
            to.push(0xfe);
            to.extend(size.to_be_bytes());
        }
        Err(_) => {
            to.push(0xff);
            to.extend((payload.len() as u64).to_be_bytes());
        }
    }
    to.extend([0; 4]);
    to.extend(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_size_are_parsed_once_they_are_complete() {
        for size in [0, 125, 126, 65_535, 65_536] {
            let mut sent = Vec::new();
            write_text(&mut sent, &vec![b'a'; size]);
            // A server does not mask.
            let at = sent.len() - size;
            sent.drain(at - 4..at);
            sent[1] &= 0x7f;
            assert_eq!(parse(&sent[..sent.len() - 1]), None);
            let frame = parse(&sent).unwrap();
            assert_eq!((frame.kind, frame.begin, frame.end), (Kind::Text, at - 4, sent.len()));
        }
    }
}
