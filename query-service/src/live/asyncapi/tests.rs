//! The document describes every frame once, and its examples match it.

use std::collections::BTreeSet;

use domain::BoxEvent;
use frame_check::FrameCheck;

use super::*;

fn examples() -> Map<String, Value> {
    serde_json::from_str(EXAMPLES).unwrap()
}

fn names(messages: &[Message]) -> BTreeSet<&str> {
    messages.iter().map(|message| message.name.as_str()).collect()
}

#[test]
fn every_frame_is_described_and_has_a_valid_example() {
    let (received, sent) = (client_frames(), [server_frames(), events()].concat());
    assert_eq!(names(&received).len() + names(&sent).len(), examples().len());
    let check = FrameCheck::new(&document());
    for (name, example) in examples() {
        let message = received.iter().chain(&sent).find(|message| message.name == name);
        assert!(!message.unwrap_or_else(|| panic!("no frame: {name}")).summary.is_empty(), "{name}");
        assert_eq!(example["type"], name);
        let checked = if names(&received).contains(name.as_str()) {
            serde_json::from_value::<ClientFrame>(example.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            check.client(&example)
        } else {
            check.server(&example)
        };
        assert_eq!(checked, Ok(()));
    }
}

#[test]
fn every_event_of_a_room_is_described() {
    let of_boxes = [
        "box_installed",
        "box_details_changed",
        "box_taken_out_of_service",
        "box_returned_to_service",
        "box_retired",
        "event_dropped",
        "author_erased",
        "user_allowed",
        "user_disallowed",
    ];
    let in_rooms: BTreeSet<&str> = BoxEvent::TYPES.iter().copied().filter(|name| !of_boxes.contains(name)).collect();
    assert_eq!(names(&events()), in_rooms);
    assert_eq!(
        names(&server_frames()).intersection(&in_rooms).next(),
        None,
        "a type is either a frame's or an event's"
    );
}

#[test]
fn each_close_code_is_described_once() {
    let document = document();
    let codes: BTreeSet<u64> =
        document["x-close-codes"].as_array().unwrap().iter().map(|close| close["code"].as_u64().unwrap()).collect();
    assert_eq!(codes.len(), CloseReason::ALL.len());
    assert!(codes.iter().all(|code| (4000..4400).contains(code)), "{codes:?}");
}

#[test]
fn the_page_names_every_frame_and_every_close_code() {
    let document = document();
    let page = page::of(&document);
    for name in examples().keys() {
        assert!(page.contains(&format!("<h3 id=\"{name}\">")), "{name}");
    }
    for close_reason in CloseReason::ALL {
        assert!(page.contains(close_reason.meaning()), "{close_reason:?}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"));
}
