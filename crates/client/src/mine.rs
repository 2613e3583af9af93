//! The user's own items, which do not depend on followed rooms: the cursor to resume from, and the alarms that were
//! delivered already.

use std::collections::{HashSet, VecDeque};

use crate::{
    frames::{self, ServerFrame},
    incoming::{Alarm, Incoming, Sign},
};

/// The number of remembered alarms. A service repeats those of the last seconds, and more after a lost cursor.
const REMEMBERED: usize = 1000;

/// The user's own items. Outlives connections.
#[derive(Debug, Default)]
pub(crate) struct Mine {
    /// The last cursor from the service.
    cursor: Option<String>,
    told: HashSet<String>,
    /// The same ids, the oldest first.
    order: VecDeque<String>,
}

impl Mine {
    /// Returns the cursor that a new connection resumes from.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.cursor.clone()
    }

    /// Stores a cursor: everything before it was delivered.
    pub(crate) fn note_cursor(&mut self, cursor: Option<String>) {
        if cursor.is_some() {
            self.cursor = cursor;
        }
    }

    /// Converts a frame about the user, or a signal, into the item to deliver, if there is one.
    pub(crate) fn hear(&mut self, frame: ServerFrame) -> Option<Incoming> {
        match frame {
            ServerFrame::Signal { room, sign: frames::Sign::Typing { user } } => {
                Some(Incoming::Signal { room, sign: Sign::Typing(user) })
            }
            ServerFrame::Signal { room, sign: frames::Sign::Presence { users } } => {
                Some(Incoming::Signal { room, sign: Sign::Presence(users) })
            }
            ServerFrame::Alarm(alarm) => self.is_news(&alarm).then_some(Incoming::Alarm(alarm)),
            ServerFrame::Reset { room: None, reason, .. } => Some(Incoming::AlarmsReset { reason }),
            ServerFrame::MyRooms { rooms } => {
                Some(Incoming::MyRooms(rooms.into_iter().map(|(room, unread)| (room, unread.unread)).collect()))
            }
            ServerFrame::Membership { room, standing, at } => Some(Incoming::Membership { room, standing, at }),
            ServerFrame::Unread { room, unread } => Some(Incoming::Unread { room, unread }),
            _ => None,
        }
    }

    fn is_news(&mut self, alarm: &Alarm) -> bool {
        if !self.told.insert(alarm.id.clone()) {
            return false;
        }
        self.order.push_back(alarm.id.clone());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alarm(mine: &mut Mine, number: usize) -> bool {
        let frame = json!({
            "type": "alarm", "id": format!("box-1-{number}-reply"), "kind": "reply", "at": "2026-01-03T13:00:00Z",
            "room": "b.1", "message_id": "7", "by": "ben",
        });
        mine.hear(serde_json::from_value(frame).unwrap()).is_some()
    }

    #[test]
    fn a_repeated_alarm_is_delivered_once() {
        let mut mine = Mine::default();
        assert!(alarm(&mut mine, 0) && !alarm(&mut mine, 0) && alarm(&mut mine, 1) && !alarm(&mut mine, 0));
        for number in 2..=REMEMBERED {
            assert!(alarm(&mut mine, number));
        }
        assert_eq!((mine.told.len(), mine.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!alarm(&mut mine, 1), "it is the oldest that is remembered");
    }
}
