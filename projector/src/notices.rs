//! Notifications over core NATS, sent after each database commit: what is pushed is already readable. They may be lost.
//! Subscribers recover them from the feed by its versions.

use std::collections::BTreeMap;

use async_nats::{Client, HeaderMap, connection::State};
use bytes::Bytes;
use domain::{MessageId, Position, RoomId, UserId};
use serde::Serialize;
use tokio::sync::mpsc;
use wire::notice;

use crate::{
    checkpoint::Checkpoint,
    metrics::METRICS,
    projection::{Alarm, Changes, FeedRow},
    traces::Traces,
};

/// Capacity of the send queue, in notifications; more are dropped.
const QUEUE: usize = 4096;

/// Target size of a notification in bytes, well below the server's limit.
const MOST_BYTES: usize = 64 * 1024;

/// Sends notifications without blocking the projection. Cheap to clone; the task ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Notices {
    queue: mpsc::Sender<Notice>,
}

#[derive(Debug)]
struct Notice {
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

/// An alarm in the form that is sent to its user.
#[derive(Debug, Serialize)]
struct AlarmNotice<'a> {
    kind: domain::AlarmKind,
    at: chrono::DateTime<chrono::Utc>,
    room_id: &'a RoomId,
    message_id: Option<MessageId>,
    by: Option<&'a UserId>,
    /// Alarms of one user come from several streams: stream and position identify each.
    stream: &'a str,
    position: u64,
}

impl Notices {
    /// Starts the task that sends over this connection.
    pub(crate) fn over(client: Client) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Notice>(QUEUE);
        supervision::spawn("the sender of notices", async move {
            while let Some(notice) = waiting.recv().await {
                // Without a connection the client would buffer the notification and send it late.
                if client.connection_state() == State::Connected {
                    let Notice { subject, headers, payload } = notice;
                    let sent = if headers.is_empty() {
                        client.publish(subject, payload).await
                    } else {
                        client.publish_with_headers(subject, headers, payload).await
                    };
                    METRICS.noticed(sent.is_ok());
                    sent.unwrap_or_else(|error| tracing::debug!(%error, "a notification was lost"));
                } else {
                    METRICS.noticed(false);
                }
            }
        });
        Self { queue }
    }

    /// Notifies subscribers of the changes that a batch made in a generation.
    pub(crate) fn tell(&self, generation: i32, checkpoint: &Checkpoint, news: &Changes, traces: &Traces) {
        let generation = i64::from(generation);
        let stream = checkpoint.stream.label();
        let mut rooms: BTreeMap<&RoomId, Vec<&FeedRow>> = BTreeMap::new();
        for row in &news.feed {
            rooms.entry(&row.room_id).or_default().push(row);
        }
        for (room_id, rows) in rooms {
            let headers = traces.headers(rows.iter().map(|row| row.position));
            self.send_arrays(&notice::live_room(generation, room_id), headers, &rows);
        }
        let mut users: BTreeMap<&UserId, Vec<AlarmNotice<'_>>> = BTreeMap::new();
        for alarm in &news.alarms {
            users.entry(&alarm.user_id).or_default().push(AlarmNotice::of(alarm, &stream));
        }
        for (user_id, alarms) in users {
            self.send_arrays(&notice::live_user(generation, user_id), None, &alarms);
        }
        if !news.touched.is_empty() {
            self.send_arrays(&notice::touched(generation, &stream), None, &news.touched);
        }
        let position = Position { sequence: checkpoint.position, incarnation: checkpoint.incarnation.clone(), stream };
        self.send(notice::projected(generation, &position.stream), None, position.to_string().into());
    }

    /// Announces the newly active generation.
    pub(crate) fn activated(&self, generation: i32) {
        self.send(notice::ACTIVATED.to_owned(), None, generation.to_string().into());
    }

    /// Sends the items as JSON arrays, in order, each of a bounded size.
    fn send_arrays<T: Serialize>(
        &self,
        subject: &str,
        mut headers: Option<HeaderMap>,
        items: impl IntoIterator<Item = T>,
    ) {
        let mut array = String::from("[");
        for item in items {
            let Ok(json) = serde_json::to_string(&item) else {
                continue;
            };
            if array.len() > 1 {
                if array.len() + json.len() > MOST_BYTES {
                    array.push(']');
                    let full = std::mem::replace(&mut array, String::from("["));
                    self.send(subject.to_owned(), headers.take(), full.into());
                } else {
                    array.push(',');
                }
            }
            array.push_str(&json);
        }
        array.push(']');
        self.send(subject.to_owned(), headers, array.into());
    }

    fn send(&self, subject: String, headers: Option<HeaderMap>, payload: Bytes) {
        let headers = headers.unwrap_or_default();
        if self.queue.try_send(Notice { subject, headers, payload }).is_err() {
            METRICS.noticed(false);
            tracing::debug!("a notification was dropped: the send queue is full");
        }
    }
}

impl<'a> AlarmNotice<'a> {
    fn of(alarm: &'a Alarm, stream: &'a str) -> Self {
        Self {
            kind: alarm.kind,
            at: alarm.at,
            room_id: &alarm.room_id,
            message_id: alarm.message_id,
            by: alarm.by.as_ref(),
            stream,
            position: alarm.position,
        }
    }
}
