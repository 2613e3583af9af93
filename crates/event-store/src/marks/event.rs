//! The one event of a read marker.

use cqrs_es::DomainEvent;
use domain::MessageId;
use serde::{Deserialize, Serialize};

use crate::codec::upcast::{StoredEvent, Upcast};

/// An event of a marker. The serde names are stored; never rename.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(crate) enum MarkEvent {
    /// A user has read everything up to this message.
    RoomRead {
        /// The message.
        message_id: MessageId,
    },
}

impl DomainEvent for MarkEvent {
    fn event_type(&self) -> String {
        "room_read".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl StoredEvent for MarkEvent {
    const TYPES: &'static [&'static str] = &["room_read"];
    const UPCASTS: &'static [Upcast] = &[];
}
