//! Filters and reports, which share the stream of stores.

use domain::{FilterAction, FilterEvent, FilterKind, MessageId, ReportAction, ReportCategory, ReportEvent, StoreEvent};
use serde_json::{Value, json};
use wire::StreamName;

use crate::{
    story::{Story, room, time, user},
    world::{World, everything},
};

fn set(id: &str, pattern: &str) -> FilterEvent {
    let filter_id = id.parse().expect("a filter id");
    FilterEvent::FilterSet {
        filter_id,
        kind: FilterKind::Word,
        pattern: pattern.to_owned(),
        action: FilterAction::Mask,
    }
}

fn removed(id: &str) -> FilterEvent {
    FilterEvent::FilterRemoved { filter_id: id.parse().expect("a filter id") }
}

fn filed() -> ReportEvent {
    ReportEvent::ReportFiled {
        reporter: user("ann"),
        user_id: user("bob"),
        room_id: Some(room("b1.1")),
        message_id: Some(MessageId::new(7)),
        text: Some("buy soup".to_owned()),
        category: ReportCategory::Spam,
        note: Some("again".to_owned()),
    }
}

#[tokio::test]
async fn filters_are_set_replaced_and_removed() {
    let mut world = World::start().await;
    let mut story = Story::new();
    story.filters([set("a", "soup")]);
    story.filters([set("b", "tea"), set("a", "hot soup")]);
    world.project(StreamName::Store, &story.commits).await;
    let all = "select filter_id || ' ' || pattern from filters order by 1";
    assert_eq!(world.texts(all).await, ["a hot soup", "b tea"]);
    let row = json!({
        "filter_id": "b", "kind": "word", "pattern": "tea", "action": "mask", "changed_at": time(2).to_rfc3339(),
    });
    assert_eq!(world.row("select * from filters where filter_id = 'b'").await, row);
    let mut story = Story::from(3);
    story.filters([removed("a")]);
    story.filters([removed("b"), set("b", "tea*")]);
    world.project(StreamName::Store, &story.commits).await;
    assert_eq!(world.texts(all).await, ["b tea*"]);
}

#[tokio::test]
async fn a_report_is_filed_claimed_closed_and_forgotten() {
    let mut story = Story::new();
    story.report("r-1", [filed()]);
    story.report("r-1", [ReportEvent::ReportClaimed { by: user("mo") }]);
    story.report("r-1", [ReportEvent::ReportReleased { by: user("mo") }]);
    story.report("r-1", [ReportEvent::ReportClaimed { by: user("may") }]);
    story.store(
        "s1",
        [StoreEvent::StoreRegistered {
            store_id: "s1".parse().expect("a store id"),
            name: "Thai".to_owned(),
            zip_code: "04109".to_owned(),
            category: None,
        }],
    );
    let note = Some("once".to_owned());
    story.report("r-1", [ReportEvent::ReportResolved { by: user("may"), action: ReportAction::Warned, note }]);
    story.report("r-1", [ReportEvent::ReportForgotten {}]);
    let mut all = Vec::new();
    for cuts in [vec![7], (1..=7).collect::<Vec<_>>(), vec![3, 7]] {
        let (mut world, mut from) = (World::start().await, 0);
        for cut in cuts {
            world.project(StreamName::Store, &story.commits[from..cut]).await;
            from = cut;
            let row = world.row("select * from reports").await;
            let expected: [Value; 3] = match cut {
                1 | 3 => [json!("open"), Value::Null, Value::Null],
                2 => [json!("claimed"), json!("mo"), json!(time(2).to_rfc3339())],
                4 | 5 => [json!("claimed"), json!("may"), json!(time(4).to_rfc3339())],
                _ => [json!("closed"), json!("may"), json!(time(4).to_rfc3339())],
            };
            assert_eq!([&row["state"], &row["moderator"], &row["claimed_at"]], expected.each_ref(), "{cut}");
            let texts = [&row["text"], &row["note"], &row["forgotten"]];
            let has_texts = [json!("buy soup"), json!("again"), json!(false)];
            let expected = if cut == 7 { [Value::Null, Value::Null, json!(true)] } else { has_texts };
            assert_eq!(texts, expected.each_ref(), "{cut}");
        }
        all.push(everything(&mut world.connection).await);
    }
    assert!(all.iter().all(|rows| *rows == all[0]));
}
