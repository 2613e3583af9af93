//! Notifications over core NATS, sent after each database commit: what is pushed is already readable. They may be lost.
//! Subscribers recover them from the feed by its versions.

use std::collections::BTreeMap;

use async_nats::{Client, HeaderMap, connection::State};
use bytes::Bytes;
use domain::{MessageId, Position, RoomId, UserId};
use serde::Serialize;
use tokio::sync::mpsc;
use wire::transient;

use crate::{
    checkpoint::Checkpoint,
    metrics::METRICS,
    projection::{Alarm, Changes, FeedRow},
    traces::Traces,
};

/// Capacity of the send queue, in notifications; more are dropped.
const QUEUE: usize = 4096;

/// Target size of a notification in bytes, well below the server's limit.
const MAX_BYTES: usize = 64 * 1024;

/// Sends notifications without blocking the projection. Cheap to clone; the task ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    queue: mpsc::Sender<Notification>,
}

#[derive(Debug)]
struct Notification {
    subject: String,
    headers: HeaderMap,
    payload: Bytes,
}

/// A notification about the alarms of one user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum UserNotification<'a> {
    /// An alarm is new, has changed or was withdrawn.
    Alarm(AlarmNotification<'a>),
    /// The alarms must be read again.
    Stale,
}

/// An alarm in the form that is sent to its user.
#[derive(Debug, Serialize)]
struct AlarmNotification<'a> {
    kind: domain::AlarmKind,
    at: chrono::DateTime<chrono::Utc>,
    room_id: &'a RoomId,
    message_id: Option<MessageId>,
    by: Option<&'a UserId>,
    /// Alarms of one user come from several streams: stream and position identify each.
    stream: &'a str,
    position: u64,
    count: i32,
    changed: u64,
    is_withdrawn: bool,
    /// True if its box was released from quarantine: the positions are lower than those of earlier notifications.
    is_released: bool,
}

impl Notifier {
    /// Starts the task that sends over this connection.
    pub(crate) fn start(client: Client) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Notification>(QUEUE);
        supervision::spawn("the sender of notifications", async move {
            while let Some(notification) = waiting.recv().await {
                // Without a connection the client would buffer the notification and send it late.
                if client.connection_state() == State::Connected {
                    let Notification { subject, headers, payload } = notification;
                    let sent = if headers.is_empty() {
                        client.publish(subject, payload).await
                    } else {
                        client.publish_with_headers(subject, headers, payload).await
                    };
                    METRICS.count_notification(sent.is_ok());
                    sent.unwrap_or_else(|error| tracing::debug!(%error, "a notification was lost"));
                } else {
                    METRICS.count_notification(false);
                }
            }
        });
        Self { queue }
    }

    /// Notifies subscribers of the changes that a batch made in a generation.
    pub(crate) fn notify(&self, generation: i32, checkpoint: &Checkpoint, changes: &Changes, traces: &Traces) {
        let generation = i64::from(generation);
        let stream = checkpoint.stream.label();
        let mut rooms: BTreeMap<&RoomId, Vec<&FeedRow>> = BTreeMap::new();
        for row in &changes.feed {
            rooms.entry(&row.room_id).or_default().push(row);
        }
        for (room_id, rows) in rooms {
            let headers = traces.headers(rows.iter().map(|row| row.position));
            self.send_arrays(&transient::live_room(generation, room_id), headers, &rows);
        }
        let mut users: BTreeMap<&UserId, Vec<UserNotification<'_>>> = BTreeMap::new();
        for (alarms, is_released) in [(&changes.alarms, false), (&changes.released_alarms, true)] {
            for alarm in alarms {
                let notification = UserNotification::Alarm(AlarmNotification::of(alarm, &stream, is_released));
                users.entry(&alarm.user_id).or_default().push(notification);
            }
        }
        for user_id in &changes.stale_alarms {
            users.entry(user_id).or_default().push(UserNotification::Stale);
        }
        for (user_id, notifications) in users {
            self.send_arrays(&transient::live_user(generation, user_id), None, &notifications);
        }
        if !changes.room_changes.is_empty() {
            self.send_arrays(&transient::room_changes(generation, &stream), None, &changes.room_changes);
        }
        if !changes.lobby.is_empty() {
            self.send_arrays(&transient::lobby_changes(generation, &stream), None, &changes.lobby);
        }
        let position = Position { sequence: checkpoint.position, incarnation: checkpoint.incarnation.clone(), stream };
        self.send(transient::projected(generation, &position.stream), None, position.to_string().into());
    }

    /// Announces the newly active generation.
    pub(crate) fn notify_activated(&self, generation: i32) {
        self.send(transient::ACTIVATED.to_owned(), None, generation.to_string().into());
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
                if array.len() + json.len() > MAX_BYTES {
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
        if self.queue.try_send(Notification { subject, headers, payload }).is_err() {
            METRICS.count_notification(false);
            tracing::debug!("a notification was dropped: the send queue is full");
        }
    }
}

impl<'a> AlarmNotification<'a> {
    fn of(alarm: &'a Alarm, stream: &'a str, is_released: bool) -> Self {
        Self {
            kind: alarm.kind,
            at: alarm.at,
            room_id: &alarm.room_id,
            message_id: alarm.message_id,
            by: alarm.by.as_ref(),
            stream,
            position: alarm.position,
            count: alarm.count,
            changed: alarm.changed,
            is_withdrawn: alarm.withdrawn.is_some(),
            is_released,
        }
    }
}
