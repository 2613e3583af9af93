//! Reads that must include an earlier command's event.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;

use super::world::World;

#[tokio::test]
async fn a_read_waits_for_its_position() {
    let world = World::start().await;
    assert_eq!(world.get_after("ana", "/rooms", &["box-0.life.40"]).await.0, 200);

    let mut read = pin!(world.get_after("ana", "/rooms", &["box-0.life.41", "user.life.7"]));
    assert!(timeout(Duration::from_millis(300), &mut read).await.is_err(), "answered too early");
    world.project("box-0", 41).await;
    world.announce("box-0", 41).await;
    assert_eq!(read.await.0, 200);

    // The same with a lost notification.
    let read = world.get_after("ana", "/rooms", &["box-0.life.42"]);
    let ((status, _), ()) = tokio::join!(read, world.project("box-0", 42));
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_read_behind_its_position_reports_the_lag() {
    let world = World::start().await;
    let response = world
        .get_with(
            "/rooms",
            &[("authorization", &format!("Bearer {}", world.token("ana"))), ("min-position", "box-1.life.45")],
        )
        .await;
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let problem: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "not-yet-projected");
    assert_eq!(problem["detail"], "box-1 is at 40, 5 behind");

    // A notification ahead of the checkpoint causes neither a busy loop nor an early answer.
    world.announce("box-1", 45).await;
    assert_eq!(world.get_after("ana", "/rooms", &["box-1.life.45"]).await.0, 503);
}

#[tokio::test]
async fn positions_of_another_log_are_refused() {
    let world = World::start().await;
    for bad in ["box-0.otherlife.1", "box-9.life.1", "nonsense", "box-0.life.x", ""] {
        let (status, problem) = world.get_after("ana", "/rooms", &[bad]).await;
        assert_eq!((status, &problem["code"]), (400, &"invalid-position".into()), "{bad:?}");
    }
}

#[tokio::test]
async fn a_quarantined_box_is_reported_from_its_bad_event_on() {
    let world = World::start().await;
    world.sql("insert into quarantined_boxes values ('north', 'box-0', 30, 'poison', now())").await;
    for path in ["/boxes/north", "/rooms/north.2", "/rooms/north.2/messages"] {
        let (status, problem) = world.get_after("ana", path, &["box-0.life.35"]).await;
        assert_eq!((status, &problem["code"]), (503, &"box-quarantined".into()), "{path}");
        assert_eq!(world.get_after("ana", path, &["box-0.life.29"]).await.0, 200);
        assert_eq!(world.get("ana", path).await.0, 200);
    }
    assert_eq!(world.get_after("ana", "/boxes/south", &["box-0.life.35"]).await.0, 200);
}
