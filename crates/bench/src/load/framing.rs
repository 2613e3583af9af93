//! The form of messages on a live connection.

use memchr::memmem;

use super::websocket::{self, Frame, Kind};

/// The end of a message of XMPP.
const END_OF_MESSAGE: &[u8] = b"</message>";

/// A form of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Frames of a WebSocket.
    WebSocket,
    /// A stream of XML, as XMPP has it. A frame is a message with all that comes before it.
    Xml,
}

impl Framing {
    /// Returns the first frame of a buffer, or none if it is not complete.
    pub(super) fn parse(self, buffer: &[u8]) -> Option<Frame> {
        match self {
            Self::WebSocket => websocket::parse(buffer),
            Self::Xml => {
                let end = memmem::find(buffer, END_OF_MESSAGE)? + END_OF_MESSAGE.len();
                Some(Frame { kind: Kind::Text, begin: 0, end })
            }
        }
    }

    /// Appends a frame.
    pub(super) fn write(self, to: &mut Vec<u8>, payload: &[u8]) {
        match self {
            Self::WebSocket => websocket::write_text(to, payload),
            Self::Xml => to.extend(payload),
        }
    }
}
