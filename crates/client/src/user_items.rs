//! The user's own items, which do not depend on followed rooms: the cursor to resume from, and the alarms that were
//! delivered already.

use std::collections::{HashMap, VecDeque};

use domain::UserId;

use crate::{
    frames::{self, ServerFrame},
    incoming::{Incoming, Sign},
};

/// The number of remembered alarms. A service repeats those of the last seconds, and more after a lost cursor.
const MAX_DELIVERED: usize = 1000;

/// The user's own items. Outlives connections.
#[derive(Debug, Default)]
pub(crate) struct UserItems {
    /// The last cursor from the service.
    cursor: Option<String>,
    /// The last state of each alarm: its count and its user; 0 and none if withdrawn.
    delivered: HashMap<String, (u32, Option<UserId>)>,
    /// The same ids, the oldest first.
    order: VecDeque<String>,
}

impl UserItems {
    /// Returns the cursor that a new connection resumes from.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.cursor.clone()
    }

    /// Stores a cursor: everything before it was delivered.
    pub(crate) fn set_cursor(&mut self, cursor: Option<String>) {
        if cursor.is_some() {
            self.cursor = cursor;
        }
    }

    /// Converts a frame about the user, or a signal, into the item to deliver, if there is one.
    pub(crate) fn on_frame(&mut self, frame: ServerFrame) -> Option<Incoming> {
        match frame {
            ServerFrame::Signal { room_id: room, sign: frames::Sign::Typing { user_id: user } } => {
                Some(Incoming::Signal { room, sign: Sign::Typing(user) })
            }
            ServerFrame::Signal { room_id: room, sign: frames::Sign::Presence { users } } => {
                Some(Incoming::Signal { room, sign: Sign::Presence(users) })
            }
            ServerFrame::Signal { room_id: room, sign: frames::Sign::Read { markers } } => {
                Some(Incoming::Signal { room, sign: Sign::Read(markers) })
            }
            ServerFrame::Alarm(alarm) => {
                self.mark_delivered(&alarm.id, (alarm.count, alarm.by.clone())).then_some(Incoming::Alarm(alarm))
            }
            ServerFrame::AlarmWithdrawn { id } => {
                self.mark_delivered(&id, (0, None)).then_some(Incoming::AlarmWithdrawn { id })
            }
            ServerFrame::AlarmsWithdrawn { box_id, by } => Some(Incoming::AlarmsWithdrawn { box_id, by }),
            ServerFrame::Alarms { unread, up_to } => Some(Incoming::UnreadAlarms { unread, up_to }),
            ServerFrame::Reset { room_id: None, reason, .. } => Some(Incoming::AlarmsReset { reason }),
            ServerFrame::Blocks { users } => Some(Incoming::Blocks(users)),
            ServerFrame::MyRooms { rooms } => {
                Some(Incoming::MyRooms(rooms.into_iter().map(|(room, unread)| (room, unread.unread)).collect()))
            }
            ServerFrame::Membership { room_id: room, standing, at } => {
                Some(Incoming::Membership { room, standing, at })
            }
            ServerFrame::Unread { room_id: room, unread } => Some(Incoming::Unread { room, unread }),
            _ => None,
        }
    }

    /// Records the state of an alarm. Returns false if it was delivered before.
    fn mark_delivered(&mut self, id: &str, state: (u32, Option<UserId>)) -> bool {
        if let Some(known) = self.delivered.get_mut(id) {
            return std::mem::replace(known, state.clone()) != state;
        }
        self.delivered.insert(id.to_owned(), state);
        self.order.push_back(id.to_owned());
        if self.order.len() > MAX_DELIVERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.delivered.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alarm(user_items: &mut UserItems, number: usize) -> bool {
        let frame = json!({
            "type": "alarm", "id": format!("box-1-{number}-reply"), "kind": "reply", "at": "2026-01-03T13:00:00Z",
            "room_id": "b.1", "message_id": "7", "by": "ben",
        });
        user_items.on_frame(serde_json::from_value(frame).unwrap()).is_some()
    }

    #[test]
    fn each_state_of_an_alarm_is_delivered_once() {
        let mut user_items = UserItems::default();
        let mut is_delivered = |kind: &str, count: u32| {
            let frame = json!({
                "type": kind, "id": "box-1-7-reaction", "kind": "reaction", "at": "2026-01-03T13:00:00Z",
                "room_id": "b.1", "message_id": "7", "by": "ben", "count": count,
            });
            user_items.on_frame(serde_json::from_value(frame).unwrap()).is_some()
        };
        assert!(is_delivered("alarm", 1) && is_delivered("alarm", 2) && !is_delivered("alarm", 2));
        assert!(is_delivered("alarm_withdrawn", 0) && !is_delivered("alarm_withdrawn", 0));
        assert!(is_delivered("alarm", 2));
    }

    #[test]
    fn a_repeated_alarm_is_delivered_once() {
        let mut user_items = UserItems::default();
        assert!(
            alarm(&mut user_items, 0)
                && !alarm(&mut user_items, 0)
                && alarm(&mut user_items, 1)
                && !alarm(&mut user_items, 0)
        );
        for number in 2..=MAX_DELIVERED {
            assert!(alarm(&mut user_items, number));
        }
        assert_eq!((user_items.delivered.len(), user_items.order.len()), (MAX_DELIVERED, MAX_DELIVERED));
        assert!(!alarm(&mut user_items, 1), "it is the oldest that is remembered");
    }
}
