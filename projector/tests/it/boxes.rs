//! The lifecycle of a box: installed, changed, out of service, retired.

use domain::{BoxEvent, OwnEvent, values::BoxKind};
use serde_json::json;

use crate::{
    story::{Story, installed, opened, time},
    world::World,
};

#[tokio::test]
async fn an_installed_box_is_free() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    let changes = world.project_story(&story).await;
    assert!(changes.feed.is_empty());
    let expected = json!({
        "box_id": "b1", "kind": "shared", "zip_code": "04109", "address": "Market 1",
        "detailed_address": "left of the door", "latitude": 51.34, "longitude": 12.37,
        "service": "in_service", "out_of_service_reason": null, "room_id": null,
        "installed_at": time(1).to_rfc3339(), "users": [],
    });
    assert_eq!(world.row("select * from boxes").await, expected);
}

#[tokio::test]
async fn omitted_details_are_kept() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    let nothing = BoxEvent::Box(OwnEvent::BoxDetailsChanged {
        kind: None,
        zip_code: None,
        address: None,
        detailed_address: None,
        coordinates: None,
    });
    story.happens("b1", "ops", [nothing]);
    story.happens(
        "b1",
        "ops",
        [BoxEvent::Box(OwnEvent::BoxDetailsChanged {
            kind: Some(BoxKind::Private),
            zip_code: Some("04103".to_owned()),
            address: None,
            detailed_address: Some("right".to_owned()),
            coordinates: Some((1.5, 2.5)),
        })],
    );
    world.project_story(&story).await;
    let row = world.row("select kind, zip_code, address, detailed_address, latitude, longitude from boxes").await;
    let expected = json!({
        "kind": "private", "zip_code": "04103", "address": "Market 1", "detailed_address": "right",
        "latitude": 1.5, "longitude": 2.5,
    });
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_box_goes_out_of_service_returns_and_retires() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    story.happens("b1", "ops", [BoxEvent::Box(OwnEvent::BoxTakenOutOfService { reason: Some("rain".to_owned()) })]);
    world.project_story(&story).await;
    let service = "select service, out_of_service_reason from boxes";
    assert_eq!(world.row(service).await, json!({ "service": "out_of_service", "out_of_service_reason": "rain" }));
    let mut story = Story::from(3);
    story.happens("b1", "ops", [BoxEvent::Box(OwnEvent::BoxReturnedToService {})]);
    world.project_story(&story).await;
    assert_eq!(world.row(service).await, json!({ "service": "in_service", "out_of_service_reason": null }));
    let mut story = Story::from(4);
    story.happens("b1", "ops", [BoxEvent::Box(OwnEvent::BoxRetired {})]);
    world.project_story(&story).await;
    assert_eq!(world.row(service).await, json!({ "service": "retired", "out_of_service_reason": null }));
}

#[tokio::test]
async fn events_of_a_box_without_a_room_are_in_no_feed() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.happens("b1", "ops", [installed("b1")]);
    story.happens("b1", "b1", [BoxEvent::Box(OwnEvent::OrderArrived { room_id: None })]);
    story.happens("b1", "b1", [BoxEvent::Box(OwnEvent::DoorOpened { room_id: None })]);
    story.happens("b1", "ann", [opened("b1.1", "ann")]);
    let changes = world.project_story(&story).await;
    assert_eq!(changes.feed.iter().map(|row| (row.kind, row.v)).collect::<Vec<_>>(), [("room_opened", 1)]);
    assert_eq!(world.texts("select room_id from boxes").await, ["b1.1"]);
}
