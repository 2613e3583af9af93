//! Requested pages of feeds, and the events that belong to each.

use std::collections::{BTreeMap, VecDeque};

use domain::RoomId;
use tokio::sync::oneshot;

use crate::{
    frames::{ClientFrame, ServerFrame},
    incoming::{Event, FetchError, Page},
};

/// The first id of a fetch. Ids of other requests are smaller.
const FIRST_ID: u64 = 1 << 32;

type Answer = Result<Page, FetchError>;

/// The requested pages. Outlives connections: unanswered requests are sent again.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    wanted: VecDeque<Fetch>,
    sent: BTreeMap<u64, Fetch>,
    count: u64,
    /// True once the client has stopped for good.
    ended: bool,
}

#[derive(Debug)]
struct Fetch {
    room: RoomId,
    after_v: u64,
    /// Events of the room since the request. The last ones are the page.
    events: Vec<Event>,
    answer: oneshot::Sender<Answer>,
}

impl Fetches {
    /// Requests the page after a version.
    pub(crate) fn request(&mut self, room: RoomId, after_v: u64) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        if !self.ended {
            self.wanted.push_back(Fetch { room, after_v, events: Vec::new(), answer });
        }
        answered
    }

    /// Queues all unanswered requests again, for a new connection.
    pub(crate) fn requeue(&mut self) {
        while let Some((_, mut fetch)) = self.sent.pop_last() {
            fetch.events.clear();
            self.wanted.push_front(fetch);
        }
    }

    /// Drops all requests: there will be no further connection.
    pub(crate) fn end(&mut self) {
        *self = Self { ended: true, ..Self::default() };
    }

    /// Returns true if a request waits to be sent.
    pub(crate) fn any_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Returns the next request to send.
    pub(crate) fn next_frame(&mut self) -> Option<ClientFrame> {
        let fetch = self.wanted.pop_front()?;
        let id = FIRST_ID + self.count;
        self.count += 1;
        let frame = ClientFrame::Fetch { id, room_id: fetch.room.clone(), after_v: fetch.after_v };
        self.sent.insert(id, fetch);
        Some(frame)
    }

    /// Keeps an event that may belong to a page. Returns false if no request of its room is open.
    pub(crate) fn collect(&mut self, event: &Event) -> bool {
        let mut kept = false;
        for fetch in self.sent.values_mut().filter(|fetch| fetch.room == event.room) {
            fetch.events.push(event.clone());
            kept = true;
        }
        kept
    }

    /// Completes the request that the frame answers, if there is one.
    pub(crate) fn on_frame(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Fetched { id: Some(id), to_v, head_v } => {
                if let Some(fetch) = self.sent.remove(id) {
                    fetch.complete(*to_v, *head_v);
                }
            }
            ServerFrame::Error { id: Some(id), code, detail, .. } => {
                if let Some(Fetch { answer, .. }) = self.sent.remove(id) {
                    // Fails if the caller has dropped the request.
                    let _ = answer.send(Err(FetchError::Refused { code: code.clone(), detail: detail.clone() }));
                }
            }
            _ => {}
        }
    }
}

impl Fetch {
    /// Answers with the last consecutive events up to `to_v`: the server sends a page in one piece,
    /// right before its `fetched`.
    fn complete(self, to_v: u64, head_v: u64) {
        let mut events = Vec::new();
        for event in self.events.into_iter().rev() {
            let next_v = events.last().map_or(to_v, |after: &Event| after.v - 1);
            if next_v > self.after_v && event.v == next_v {
                events.push(event);
            }
        }
        events.reverse();
        let _ = self.answer.send(Ok(Page { events, to_v, head_v }));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(v: u64) -> Event {
        let frame =
            json!({ "room_id": "b.1", "v": v, "type": "x", "at": "2026-01-01T00:00:00Z", "by": "ana", "data": {} });
        serde_json::from_value(frame).unwrap()
    }

    #[test]
    fn a_page_consists_of_the_last_events_without_earlier_live_ones() {
        let mut fetches = Fetches::default();
        let mut answer = fetches.request("b.1".parse().unwrap(), 3);
        let Some(ClientFrame::Fetch { id, after_v: 3, .. }) = fetches.next_frame() else { panic!("no request") };
        for v in [9, 10, 4, 5, 6] {
            assert!(fetches.collect(&event(v)));
        }
        fetches.on_frame(&ServerFrame::Fetched { id: Some(id), to_v: 6, head_v: 10 });
        let page = answer.try_recv().unwrap().unwrap();
        assert_eq!((page.events.iter().map(|event| event.v).collect::<Vec<_>>(), page.head_v), (vec![4, 5, 6], 10));
        assert!(!fetches.collect(&event(11)));
    }

    #[test]
    fn an_unanswered_fetch_is_repeated_until_the_end() {
        let mut fetches = Fetches::default();
        let mut answer = fetches.request("b.1".parse().unwrap(), 0);
        assert!(fetches.next_frame().is_some() && fetches.next_frame().is_none());
        fetches.requeue();
        assert!(fetches.any_wanted() && fetches.next_frame().is_some());
        fetches.end();
        assert!(answer.try_recv().is_err());
        assert!(fetches.request("b.1".parse().unwrap(), 0).try_recv().is_err() && !fetches.any_wanted());
    }
}
