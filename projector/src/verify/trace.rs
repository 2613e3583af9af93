//! Which events have touched a row, as the log tells.

use domain::{BoxId, RoomId};
use event_store::{
    Log, Source, StreamName,
    history::{event_types, history},
    log::Recorded,
};
use serde_json::Value;

use super::{
    VerifyError,
    report::{Difference, Touch},
};

/// How many messages on a subject are looked through.
const LOOKED_THROUGH: usize = 5_000;

/// How many events are told of a row: the latest.
const TOLD: usize = 10;

/// What of a row is found in the events that touch it.
#[derive(Default)]
struct Traits {
    /// Their sequences.
    sequences: Vec<u64>,
    /// Ids that all stand in an event.
    ids: Vec<String>,
}

/// Adds the events that have touched a row to its difference.
pub(super) async fn explain(log: &dyn Log, partitions: u16, difference: &mut Difference) -> Result<(), VerifyError> {
    let Some(row) = difference.first.as_ref().or(difference.second.as_ref()).filter(|row| row.is_object()) else {
        return Ok(());
    };
    let traits = Traits::of(row);
    let from = traits.sequences.iter().min().copied().unwrap_or(1);
    let mut events = Vec::new();
    for source in sources(row) {
        let stream = source.stream(partitions);
        let messages = history(log, &source, partitions, from, LOOKED_THROUGH).await?;
        events.extend(messages.iter().filter(|message| traits.fit(message)).map(|message| touch(stream, message)));
    }
    events.sort_by_key(|touch: &Touch| touch.sequence);
    difference.events = events.split_off(events.len().saturating_sub(TOLD));
    Ok(())
}

fn text<T: std::str::FromStr>(row: &Value, column: &str) -> Option<T> {
    row[column].as_str()?.parse().ok()
}

/// What the row is projected from.
fn sources(row: &Value) -> Vec<Source> {
    let has = |column: &str| row.get(column).is_some();
    let marker = has("message_id") && has("user_id") && !has("kind");
    match (text::<BoxId>(row, "box_id"), text::<RoomId>(row, "room_id"), text(row, "user_id"), text(row, "store_id")) {
        (Some(_), Some(room_id), Some(user_id), _) if marker => vec![Source::Mark { room_id, user_id }],
        (Some(box_id), ..) if has("installed_at") => vec![Source::Room { box_id }],
        (Some(box_id), ..) => vec![Source::Room { box_id: box_id.clone() }, Source::Talk { box_id }],
        (None, _, Some(user_id), _) => vec![Source::User { user_id }],
        (None, _, None, Some(store_id)) => vec![Source::Store { store_id }],
        _ => vec![],
    }
}

fn touch(stream: StreamName, message: &Recorded) -> Touch {
    Touch { stream: stream.label(), sequence: message.sequence, types: event_types(message), at: message.stored_at }
}

impl Traits {
    fn of(row: &Value) -> Self {
        let mut traits = Self::default();
        traits.sequences.extend(row["position"].as_u64());
        let is_marker = row.get("box_id").is_some() && row.get("kind").is_none() && row.get("user_id").is_some();
        let message = row["message_id"].as_u64().filter(|_| !is_marker);
        if let Some(message) = message {
            traits.sequences.push(message);
            traits.ids.push(message.to_string());
        } else if row.get("position").is_none() && row.get("box_id").is_some() && !row["message_id"].is_u64() {
            // A member's row is touched by what names both, a room's by what names the room.
            let ids = ["room_id", "user_id"].iter().filter_map(|column| row[*column].as_str());
            traits.ids.extend(ids.map(str::to_owned));
        }
        // A box names the room that is open on it, but is touched by everything about itself.
        if row.get("installed_at").is_some() {
            traits.ids.clear();
        }
        traits
    }

    fn fit(&self, message: &Recorded) -> bool {
        if self.sequences.contains(&message.sequence) {
            return true;
        }
        // An event that stands at a known place alone.
        if !self.sequences.is_empty() && self.ids.is_empty() {
            return false;
        }
        let Ok(commit) = serde_json::from_slice::<Value>(&message.payload) else { return true };
        let events = commit["events"].to_string();
        self.ids.iter().all(|id| events.contains(&format!("\"{id}\"")))
    }
}
