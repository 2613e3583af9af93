//! The store catalogue.

use domain::StoreEvent;
use serde_json::json;
use wire::StreamName;

use crate::{
    story::{Story, time},
    world::World,
};

#[tokio::test]
async fn a_store_is_registered_changed_closed_and_opened() {
    let mut world = World::start().await;
    let mut story = Story::new();
    let registered = StoreEvent::StoreRegistered {
        store_id: "s1".parse().expect("a store id"),
        name: "Thai".to_owned(),
        zip_code: "04109".to_owned(),
        category: None,
    };
    story.store("s1", [registered]);
    world.project(StreamName::Store, &story.commits).await;
    let row = |name: &str, zip_code: &str, category: Option<&str>, open: bool| {
        let words = if name == "Thai" { "'tha*' 'thai':1" } else { "'tha*' 'thai':1 'two':2" };
        json!({
            "store_id": "s1", "name": name, "zip_code": zip_code, "category": category, "open": open, "retired": false,
            "registered_at": time(1).to_rfc3339(), "words": words,
        })
    };
    let stores = "select * from stores";
    assert_eq!(world.row(stores).await, row("Thai", "04109", None, true));
    let mut story = Story::from(2);
    let changed = |name: Option<&str>, zip_code: Option<&str>, category: Option<&str>| StoreEvent::StoreChanged {
        name: name.map(str::to_owned),
        zip_code: zip_code.map(str::to_owned),
        category: category.map(str::to_owned),
    };
    story.store("s1", [changed(Some("Thai Two"), None, Some("noodles"))]);
    story.store("s1", [changed(None, Some("04103"), None)]);
    story.store("s1", [StoreEvent::StoreClosed {}]);
    world.project(StreamName::Store, &story.commits).await;
    assert_eq!(world.row(stores).await, row("Thai Two", "04103", Some("noodles"), false));
    let mut story = Story::from(5);
    story.store("s1", [StoreEvent::StoreOpened {}]);
    world.project(StreamName::Store, &story.commits).await;
    assert_eq!(world.row(stores).await, row("Thai Two", "04103", Some("noodles"), true));
    let mut story = Story::from(6);
    story.store("s1", [StoreEvent::StoreRetired {}]);
    world.project(StreamName::Store, &story.commits).await;
    assert_eq!(world.row("select open, retired from stores").await, json!({ "open": false, "retired": true }));
}
