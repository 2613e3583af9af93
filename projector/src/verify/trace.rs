//! The events that have touched a row, found in the log.

use std::str::FromStr;

use domain::{BoxId, RoomId, StoreId, UserId};
use event_store::{
    Log,
    log::{
        Recorded,
        history::{event_types, history},
    },
};
use serde_json::Value;
use wire::{Source, StreamName};

use super::{
    error::VerifyError,
    report::{Difference, TouchingEvent},
};

/// The limit of messages searched per subject.
const MAX_SEARCHED: usize = 5_000;

/// The number of latest events reported per row.
const MAX_EVENTS: usize = 10;

/// A filter for the events that touch a row among others on the same subjects. If both lists are empty, all match.
#[derive(Default)]
struct EventFilter {
    /// Matches events at these sequences.
    sequences: Vec<u64>,
    /// Matches events that name all of these ids.
    ids: Vec<String>,
}

/// Adds the events that have touched a row to its difference.
pub(super) async fn explain(log: &dyn Log, partitions: u16, difference: &mut Difference) -> Result<(), VerifyError> {
    let Some(row) = difference.first.as_ref().or(difference.second.as_ref()).filter(|row| row.is_object()) else {
        return Ok(());
    };
    let filter = EventFilter::of(row);
    let from = filter.sequences.iter().min().copied().unwrap_or(1);
    let mut events = Vec::new();
    for source in sources(row) {
        let stream = source.stream(partitions);
        let messages = history(log, &source, partitions, from, MAX_SEARCHED).await?;
        events.extend(
            messages.iter().filter(|message| filter.matches(message)).map(|message| touching_event(stream, message)),
        );
    }
    events.sort_by_key(|touching_event: &TouchingEvent| touching_event.sequence);
    difference.events = events.split_off(events.len().saturating_sub(MAX_EVENTS));
    Ok(())
}

/// Returns the log subjects that the row is projected from.
fn sources(row: &Value) -> Vec<Source> {
    fn id<T: FromStr>(row: &Value, column: &str) -> Option<T> {
        row[column].as_str()?.parse().ok()
    }
    if let Some(report_id) = id(row, "report_id") {
        return vec![Source::Report { report_id }];
    }
    if row.get("filter_id").is_some() {
        return vec![Source::Filters];
    }
    let (room_id, user_id) = (id::<RoomId>(row, "room_id"), id::<UserId>(row, "user_id"));
    match (id::<BoxId>(row, "box_id"), room_id, user_id, id::<StoreId>(row, "store_id")) {
        (Some(_), Some(room_id), Some(user_id), _) if is_marker(row) => vec![Source::Mark { room_id, user_id }],
        (Some(box_id), ..) if is_box(row) => vec![Source::Room { box_id }],
        (Some(box_id), ..) => vec![Source::Room { box_id: box_id.clone() }, Source::Talk { box_id }],
        (None, _, Some(user_id), _) => vec![Source::User { user_id }],
        (None, _, None, Some(store_id)) => vec![Source::Store { store_id }],
        (None, _, None, None) => vec![],
    }
}

fn is_marker(row: &Value) -> bool {
    row.get("message_id").is_some() && row.get("user_id").is_some() && row.get("kind").is_none()
}

fn is_box(row: &Value) -> bool {
    row.get("installed_at").is_some()
}

fn touching_event(stream: StreamName, message: &Recorded) -> TouchingEvent {
    TouchingEvent {
        stream: stream.label(),
        sequence: message.sequence,
        types: event_types(message),
        at: message.stored_at,
    }
}

impl EventFilter {
    fn of(row: &Value) -> Self {
        if is_marker(row) || is_box(row) || row.get("box_id").is_none() || row.get("report_id").is_some() {
            return Self::default();
        }
        let message = row["message_id"].as_u64();
        let positions = ["position", "changed"].iter().filter_map(|column| row[*column].as_u64());
        let sequences: Vec<u64> = positions.chain(message).collect();
        let ids = match message {
            Some(message) => vec![message.to_string()],
            None if sequences.is_empty() => {
                ["room_id", "user_id"].iter().filter_map(|column| row[*column].as_str()).map(str::to_owned).collect()
            }
            None => vec![],
        };
        Self { sequences, ids }
    }

    fn matches(&self, message: &Recorded) -> bool {
        if self.sequences.contains(&message.sequence) {
            return true;
        }
        if self.ids.is_empty() {
            return self.sequences.is_empty();
        }
        // An unreadable commit may have touched the row.
        let Ok(commit) = serde_json::from_slice::<Value>(&message.payload) else { return true };
        let events = commit["events"].to_string();
        self.ids.iter().all(|id| events.contains(&format!("\"{id}\"")))
    }
}
