//! A room with as few rules as can be.

use std::fmt;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

/// The state of a room.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Room {
    messages: u64,
    last_author: String,
}

/// The only command.
#[derive(Debug)]
pub(crate) struct PostMessage {
    pub(crate) author: String,
    pub(crate) body: String,
}

/// A posted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessagePosted {
    author: String,
    body: String,
}

/// An empty message.
#[derive(Debug)]
pub(crate) struct Empty;

impl fmt::Display for Empty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the message is empty")
    }
}

impl std::error::Error for Empty {}

impl DomainEvent for MessagePosted {
    fn event_type(&self) -> String {
        "MessagePosted".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Room {
    const TYPE: &'static str = "room";
    type Command = PostMessage;
    type Event = MessagePosted;
    type Error = Empty;
    type Services = ();

    async fn handle(&mut self, command: PostMessage, (): &(), sink: &EventSink<Self>) -> Result<(), Empty> {
        let PostMessage { author, body } = command;
        if body.is_empty() {
            return Err(Empty);
        }
        sink.write(MessagePosted { author, body }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: MessagePosted) {
        self.messages += 1;
        self.last_author = event.author;
    }
}
