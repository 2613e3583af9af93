//! Bodies of sample requests to the command-service.

use serde_json::{Value, json};

/// Sets up a box.
pub fn box_details(box_id: &str) -> Value {
    json!({
        "box_id": box_id,
        "kind": "shared",
        "zip_code": "10115",
        "address": "Torstrasse 1",
        "detailed_address": "left of the door",
        "latitude": 52.5,
        "longitude": 13.4,
    })
}

/// Adds a store to the catalogue.
pub fn store_details(store_id: &str) -> Value {
    json!({ "store_id": store_id, "name": "Noodle Bar", "zip_code": "10115", "category": "noodles" })
}

/// Opens a room without a password.
pub fn room_details(store_id: &str, max_members: usize) -> Value {
    json!({ "store_id": store_id, "title": "Lunch", "max_members": max_members })
}
