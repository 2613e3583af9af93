//! Deadlines of rooms: messages that the server delivers at a given time, or later after a restart.

use std::time::Duration;

use async_nats::{
    HeaderMap, header,
    jetstream::{self, AckKind, consumer::pull},
};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::RoomId;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use wire::{StreamName, api::DEADLINES_CONSUMER, subject};

use crate::{
    executor::append::{AppendError, RetryPolicy, append},
    log::{NewMessage, jetstream::JetStreamLog},
};

/// Sets and receives the deadlines of rooms. A box has at most one: the next one of its open room.
#[derive(Debug, Clone)]
pub struct Deadlines {
    log: JetStreamLog,
    partitions: u16,
}

#[derive(Debug, Serialize, Deserialize)]
struct Deadline {
    room_id: RoomId,
    /// The name is that of releases in which the closing of a room was the only deadline.
    #[serde(rename = "closes_at")]
    at: DateTime<Utc>,
}

/// A deadline that has been reached. It is stale if the room is closed or has other deadlines now.
#[derive(Debug)]
pub struct FiredDeadline {
    /// The room.
    pub room_id: RoomId,
    /// The time for which the deadline was set.
    pub at: DateTime<Utc>,
    message: jetstream::Message,
}

impl FiredDeadline {
    /// Acknowledges the deadline. An unacknowledged one is delivered again after a while, perhaps to another process.
    pub async fn acknowledge(self) {
        if let Err(error) = self.message.ack_with(AckKind::Ack).await {
            tracing::debug!(room.id = %self.room_id, error, "a deadline could not be acknowledged and will fire again");
        }
    }
}

impl Deadlines {
    /// Creates a handle to the deadlines of the boxes of this log.
    pub fn new(log: JetStreamLog, partitions: u16) -> Self {
        Self { log, partitions }
    }

    /// Sets the deadline of a room and replaces the former one of its box. Call it before the append that needs it: a
    /// deadline without its room is stale, but a room without its deadline would never close.
    pub async fn schedule(&self, room_id: &RoomId, at: DateTime<Utc>) -> Result<(), AppendError> {
        let mut headers = HeaderMap::new();
        let schedule = format!("@at {}", at.to_rfc3339_opts(SecondsFormat::Millis, true));
        headers.insert(header::NATS_SCHEDULE, schedule.as_str());
        let target = subject::timer_fire(room_id.box_id(), self.partitions);
        headers.insert(header::NATS_SCHEDULE_TARGET, target.as_str());
        let payload = serde_json::json!(Deadline { room_id: room_id.clone(), at }).to_string();
        self.publish(subject::timer_due(room_id.box_id(), self.partitions), headers, payload).await
    }

    async fn publish(&self, subject: String, headers: HeaderMap, payload: String) -> Result<(), AppendError> {
        let message = NewMessage {
            stream: StreamName::Timer,
            subject,
            message_id: None,
            guard: None,
            headers,
            payload: payload.into(),
        };
        append(&self.log, &[message], &RetryPolicy::default()).await.map(|_| ())
    }

    /// A stream of the deadlines that have fired. Each is delivered to one of all receivers. It never ends, and
    /// recovers when the server returns.
    pub fn fired(&self) -> impl Stream<Item = FiredDeadline> + Send + use<> {
        stream::unfold((self.log.clone(), None), |(log, mut delivery)| async move {
            loop {
                match next_fired(&log, &mut delivery).await {
                    Ok(fired) => return Some((fired, (log, delivery))),
                    Err(error) => {
                        tracing::debug!(error, "deadlines cannot be received now");
                        delivery = None;
                        sleep(Duration::from_millis(500)).await;
                    }
                }
            }
        })
    }
}

async fn next_fired(
    log: &JetStreamLog,
    delivery: &mut Option<pull::Stream>,
) -> Result<FiredDeadline, async_nats::Error> {
    loop {
        let messages = match delivery {
            Some(messages) => messages,
            None => delivery.insert(deliver(log).await?),
        };
        let message = messages.next().await.ok_or("the delivery has ended")??;
        match serde_json::from_slice(&message.payload) {
            Ok(Deadline { room_id, at }) => return Ok(FiredDeadline { room_id, at, message }),
            // Acknowledged, because nothing can be done about it and it would be delivered forever.
            Err(_) => message.ack().await?,
        }
    }
}

async fn deliver(log: &JetStreamLog) -> Result<pull::Stream, async_nats::Error> {
    let stream = log.server().context().get_stream_no_info(StreamName::Timer.on_server()).await?;
    let consumer: jetstream::consumer::Consumer<pull::Config> = stream.get_consumer(DEADLINES_CONSUMER).await?;
    let delivery = consumer.stream().max_messages_per_batch(64).expires(Duration::from_secs(20));
    Ok(delivery.heartbeat(Duration::from_secs(2)).messages().await?)
}
