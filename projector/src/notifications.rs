//! Notifications over core NATS, sent after each database commit: what is pushed is already readable. They may be lost.
//! Subscribers recover them from the feed by its versions.

use async_nats::{Client, connection::State};
use bytes::Bytes;
use domain::{MessageId, Position, RoomId, UserId};
use serde::Serialize;
use tokio::sync::mpsc;
use wire::transient;

use crate::{
    checkpoint::Checkpoint,
    metrics::METRICS,
    projection::{Alarm, Changes, FeedRow, LobbyChange, RoomChange},
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
    payload: Bytes,
}

/// A change in a notification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change<'a> {
    /// A new event of a room's feed.
    Event { room_id: &'a RoomId, trace: Option<String>, event: &'a FeedRow },
    /// A change of users' own view of a room.
    Room(&'a RoomChange),
    /// A change of a room's public details.
    Lobby(&'a LobbyChange),
    /// An alarm is new, has changed or was withdrawn.
    Alarm { user_id: &'a UserId, alarm: AlarmNotification<'a> },
    /// The alarms of a user must be read again.
    StaleAlarms { user_id: &'a UserId },
    /// Everything up to this position is readable, also what earlier notifications contained.
    Position(String),
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
                    let sent = client.publish(notification.subject, notification.payload).await;
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
        let Changes { feed, alarms, released_alarms, stale_alarms, room_changes, lobby } = changes;
        let stream = checkpoint.stream.label();
        let label = stream.as_str();
        let events = feed.iter().map(|event| {
            let trace = traces.of(event.position);
            Change::Event { room_id: &event.room_id, trace, event }
        });
        let position = Position {
            sequence: checkpoint.position,
            incarnation: checkpoint.incarnation.clone(),
            stream: stream.clone(),
        };
        let all = events
            .chain(alarms.iter().map(|alarm| Change::of_alarm(alarm, label, false)))
            .chain(released_alarms.iter().map(|alarm| Change::of_alarm(alarm, label, true)))
            .chain(stale_alarms.iter().map(|user_id| Change::StaleAlarms { user_id }))
            .chain(room_changes.iter().map(Change::Room))
            .chain(lobby.iter().map(Change::Lobby))
            .chain([Change::Position(position.to_string())]);
        self.send_arrays(&transient::changes(generation.into(), label), all);
        if !(alarms.is_empty() && released_alarms.is_empty() && stale_alarms.is_empty()) {
            self.send(transient::alarms(label), Bytes::new());
        }
    }

    /// Announces the newly active generation.
    pub(crate) fn notify_activated(&self, generation: i32) {
        self.send(transient::ACTIVATED.to_owned(), generation.to_string().into());
    }

    /// Sends the changes as JSON arrays, in order, each of a bounded size.
    fn send_arrays<'a>(&self, subject: &str, changes: impl Iterator<Item = Change<'a>>) {
        let mut array = Vec::from(b"[");
        for change in changes {
            let begin = array.len();
            // Writing to memory cannot fail, and every change can be encoded.
            if serde_json::to_writer(&mut array, &change).is_err() {
                array.truncate(begin);
                continue;
            }
            if array.len() > MAX_BYTES && begin > 1 {
                let change = array.split_off(begin);
                self.send_array(subject, std::mem::replace(&mut array, Vec::from(b"[")));
                array.extend_from_slice(&change);
            }
            array.push(b',');
        }
        self.send_array(subject, array);
    }

    /// Sends an array, which ends with a comma.
    fn send_array(&self, subject: &str, mut array: Vec<u8>) {
        array.pop();
        array.push(b']');
        self.send(subject.to_owned(), array.into());
    }

    fn send(&self, subject: String, payload: Bytes) {
        if self.queue.try_send(Notification { subject, payload }).is_err() {
            METRICS.count_notification(false);
            tracing::debug!("a notification was dropped: the send queue is full");
        }
    }
}

impl<'a> Change<'a> {
    fn of_alarm(alarm: &'a Alarm, stream: &'a str, is_released: bool) -> Self {
        Self::Alarm { user_id: &alarm.user_id, alarm: AlarmNotification::of(alarm, stream, is_released) }
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
