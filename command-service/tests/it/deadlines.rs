//! Rooms that close at their deadlines, and the warnings before.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::{
    BoxCommand, BoxEvent, BoxId, DeliveryBox, OwnCommand, RoomClosedReason, RoomEvent, RoomId,
    delivery_box::{CLOSING_WARNING, ROOM_LIFETIME},
};
use event_store::{Deadlines, Decoded, JetStreamLog, follow};
use futures::future::join_all;
use harness::{Account, token::Bearer};
use serde_json::json;
use testing::{
    commands::{by, executor, user},
    wait::{now, until},
};
use wire::{StreamName, partition_of, subject};

use crate::app::{Installation, Service};

/// Returns the events of the rooms of a box that are in the log, each with the number of its room.
async fn room_events(log: &JetStreamLog, box_id: &str) -> Vec<(u32, RoomEvent)> {
    let box_id: BoxId = box_id.parse().unwrap();
    let mut found = Vec::new();
    let mut follower = follow(Arc::new(log.clone()), StreamName::Box(partition_of(&box_id, 4)), 1).await.unwrap();
    if follower.state().last_sequence == 0 {
        return found;
    }
    loop {
        let batch = follower.next_batch(1000, 1 << 20).await.unwrap();
        for commit in &batch.commits {
            let Ok(Decoded::Box(events)) = commit.decode() else { continue };
            found.extend(events.into_iter().filter_map(|event| match event {
                BoxEvent::Room { room_id, event } if *room_id.box_id() == box_id => Some((room_id.number(), event)),
                _ => None,
            }));
        }
        if batch.caught_up {
            return found;
        }
    }
}

/// Returns the closings of rooms of a box that are in the log.
async fn closings(log: &JetStreamLog, box_id: &str) -> Vec<(u32, RoomClosedReason)> {
    let closing = |(number, event)| match event {
        RoomEvent::RoomClosed { reason } => Some((number, reason)),
        _ => None,
    };
    room_events(log, box_id).await.into_iter().filter_map(closing).collect()
}

/// Returns the warnings in rooms of a box that are in the log, each with the time of the closing.
async fn warnings(log: &JetStreamLog, box_id: &str) -> Vec<(u32, DateTime<Utc>)> {
    let warning = |(number, event)| match event {
        RoomEvent::RoomClosingSoon { closes_at } => Some((number, closes_at)),
        _ => None,
    };
    room_events(log, box_id).await.into_iter().filter_map(warning).collect()
}

/// Returns the closing time of a room, which is the last one of its box.
async fn closing_time(log: &JetStreamLog, room_id: &RoomId) -> DateTime<Utc> {
    let boxes = executor::<DeliveryBox>(&Arc::new(log.clone()));
    let (state, _) = boxes.load_latest(room_id.box_id()).await.unwrap();
    state.last_room(room_id).unwrap().closes_at()
}

/// Opens the first room of a box three hours ago less this time, without a deadline. Returns its closing time.
async fn opens_late(log: &JetStreamLog, box_id: &str, time_left: TimeDelta) -> DateTime<Utc> {
    let boxes = executor::<DeliveryBox>(&Arc::new(log.clone()));
    let closes_at = (now() + time_left).trunc_subsecs(3);
    let open = BoxCommand::Box(OwnCommand::OpenRoom {
        host: user("ana"),
        store_id: box_id.parse().unwrap(),
        store_open: true,
        title: "Lunch".to_owned().try_into().unwrap(),
        max_members: 5.try_into().unwrap(),
        password_hash: None,
        lifetime: ROOM_LIFETIME,
        at: closes_at - ROOM_LIFETIME,
    });
    boxes.execute(&box_id.parse().unwrap(), open, by("ana")).await.unwrap();
    closes_at
}

/// The schedules of deadlines.
struct Schedules {
    deadlines: Deadlines,
    admin: async_nats::jetstream::Context,
}

impl Schedules {
    async fn of(installation: &Installation) -> Self {
        let admin = service_kit::nats::connect(&installation.nats.url(Account::Admin), "test").await.unwrap();
        let admin = async_nats::jetstream::new(admin);
        Self { deadlines: Deadlines::new(installation.log().await, 4), admin }
    }

    /// Lets the deadline of the warning fire, which has passed.
    async fn warn(&self, box_id: &str, closes_at: DateTime<Utc>) {
        let room_id = RoomId::new(box_id.parse().unwrap(), 1);
        self.deadlines.schedule(&room_id, closes_at - CLOSING_WARNING).await.unwrap();
    }

    /// Lets the deadline of a box's first room fire now, as if this time had come.
    async fn fire(&self, box_id: &str, at: DateTime<Utc>) {
        let box_id = box_id.parse().unwrap();
        let target = subject::timer_fire(&box_id, 4);
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Schedule", "@at 2000-01-01T00:00:00Z");
        headers.insert("Nats-Schedule-Target", target.as_str());
        let payload = json!({ "room_id": format!("{box_id}.1"), "closes_at": at }).to_string();
        let subject = subject::timer_due(&box_id, 4);
        self.admin.publish_with_headers(subject, headers, payload.into()).await.unwrap().await.unwrap();
    }

    /// Returns the room and the time for which the deadline of a box is scheduled. None if it has fired.
    async fn due(&self, box_id: &str) -> Option<(String, DateTime<Utc>)> {
        let stream = self.admin.get_stream(StreamName::Timer.on_server()).await.unwrap();
        let subject = subject::timer_due(&box_id.parse().unwrap(), 4);
        let message = stream.get_last_raw_message_by_subject(&subject).await.ok()?;
        let deadline: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        let text = |field: &str| deadline[field].as_str().unwrap().to_owned();
        Some((text("room_id"), text("closes_at").parse().unwrap()))
    }

    async fn until_due(&self, room_id: &str, at: DateTime<Utc>) {
        let (box_id, _) = room_id.split_once('.').unwrap();
        let expected = Some((room_id.to_owned(), at));
        until(&format!("{room_id} is due at {at}"), async || self.due(box_id).await == expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_closes_once_at_its_deadline_while_two_hundred_users_open_the_next() {
    let installation = Installation::start().await;
    let lifetime = ["--room-lifetime", "2s"];
    let services = [installation.service(&lifetime).await, installation.service(&lifetime).await];
    services[0].furnish("b").await;
    let names: Vec<String> = (0..200).map(|number| format!("user-{number}")).collect();
    let answers =
        join_all(names.iter().enumerate().map(|(number, name)| services[number % 2].open_room(name, "b"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let log = installation.log().await;
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    // Every other deadline has fired by the time at which the next room closes.
    services[1].open_room("ana", "b").await.created();
    until("the next room is closed", async || closings(&log, "b").await.len() > 1).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired), (2, RoomClosedReason::Expired)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_while_no_service_ran_is_kept() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-lifetime", "1s"]).await;
    service.furnish("b").await;
    service.open_room("ana", "b").await.created();
    service.abort();
    installation.nats.kill().await;
    tokio::time::timeout(std::time::Duration::from_millis(1500), std::future::pending::<()>()).await.unwrap_err();
    installation.nats.start_again().await.unwrap();
    let log = installation.log().await;
    assert_eq!(closings(&log, "b").await, []);
    let _service = installation.service(&[]).await;
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_deadline_arms_the_current_one_and_closes_no_room() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-lifetime", "4s"]).await;
    service.furnish("b").await;
    service.furnish("c").await;
    service.open_room("ana", "b").await.created();
    service.open_room("ana", "c").await.created();
    service.post(Bearer::User("ana"), "/rooms/c.1/extensions", json!({ "hours": 1 })).await.created();
    let log = installation.log().await;
    // A deadline of another room, a moment ago, replaces the right one.
    let deadlines = Deadlines::new(log.clone(), 4);
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let now = chrono::Utc::now();
    deadlines.schedule(&"b.7".parse().unwrap(), now).await.unwrap();
    service.post(Bearer::User("ana"), "/rooms/b.1/messages", json!({ "body": "still here" })).await.created();
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired)]);
    // The extended room would have closed at the same time.
    service.post(Bearer::User("ana"), "/rooms/c.1/messages", json!({ "body": "still here" })).await.created();
    assert_eq!(closings(&log, "c").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_warned_once_and_the_room_closes_at_its_time() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    let closes_at = opens_late(&log, "b", TimeDelta::seconds(4)).await;
    schedules.warn("b", closes_at).await;
    until("the members are warned", async || !warnings(&log, "b").await.is_empty()).await;
    assert_eq!(schedules.due("b").await, Some(("b.1".to_owned(), closes_at)));
    // The deadline is delivered again, as after a crash before its acknowledgement.
    schedules.warn("b", closes_at).await;
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    assert!(now() >= closes_at, "it closes early");
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired)]);
    assert_eq!(warnings(&log, "b").await, [(1, closes_at)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_or_extended_room_has_the_deadline_of_its_warning_first() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-lifetime", "720s"]).await;
    service.furnish("b").await;
    service.open_room("ana", "b").await.created();
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    let room_id: RoomId = "b.1".parse().unwrap();
    let closes_at = closing_time(&log, &room_id).await;
    assert_eq!(schedules.due("b").await, Some(("b.1".to_owned(), closes_at - CLOSING_WARNING)));
    schedules.fire("b", closes_at - CLOSING_WARNING).await;
    until("the members are warned", async || !warnings(&log, "b").await.is_empty()).await;
    schedules.until_due("b.1", closes_at).await;
    service.post(Bearer::User("ana"), "/rooms/b.1/extensions", json!({ "hours": 1 })).await.created();
    let extended = closing_time(&log, &room_id).await;
    assert_eq!(extended, closes_at + TimeDelta::hours(1));
    assert_eq!(schedules.due("b").await, Some(("b.1".to_owned(), extended - CLOSING_WARNING)));
    // A late repeat of the first warning has no effect.
    schedules.fire("b", closes_at - CLOSING_WARNING).await;
    schedules.until_due("b.1", extended - CLOSING_WARNING).await;
    assert_eq!(warnings(&log, "b").await, [(1, closes_at)]);
    assert_eq!(closings(&log, "b").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_warning_is_near_has_only_the_deadline_of_its_end() {
    let installation = Installation::start().await;
    let service = installation.service(&["--room-lifetime", "602s"]).await;
    service.furnish("b").await;
    service.open_room("ana", "b").await.created();
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    let closes_at = closing_time(&log, &"b.1".parse().unwrap()).await;
    assert_eq!(schedules.due("b").await, Some(("b.1".to_owned(), closes_at)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_that_fires_after_the_end_is_left_out() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    let closes_at = opens_late(&log, "b", TimeDelta::seconds(-5)).await;
    schedules.warn("b", closes_at).await;
    until("the room is closed", async || !closings(&log, "b").await.is_empty()).await;
    assert_eq!(closings(&log, "b").await, [(1, RoomClosedReason::Expired)]);
    assert_eq!(warnings(&log, "b").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_around_the_warning_loses_neither_it_nor_the_end() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    for box_id in ["b", "c"] {
        service.furnish(box_id).await;
    }
    service.abort();
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    let time_left = TimeDelta::seconds(12);
    let ends = [opens_late(&log, "b", time_left).await, opens_late(&log, "c", time_left).await];
    for (box_id, closes_at) in ["b", "c"].into_iter().zip(ends) {
        schedules.warn(box_id, closes_at).await;
        until("the warning has fired", async || schedules.due(box_id).await.is_none()).await;
    }
    // A service has armed the end of one room, and crashed before the warning.
    schedules.deadlines.schedule(&"c.1".parse().unwrap(), ends[1]).await.unwrap();
    let _service = installation.service(&[]).await;
    for (box_id, closes_at) in ["b", "c"].into_iter().zip(ends) {
        until("the room is closed", async || !closings(&log, box_id).await.is_empty()).await;
        assert_eq!(warnings(&log, box_id).await, [(1, closes_at)]);
        assert_eq!(closings(&log, box_id).await, [(1, RoomClosedReason::Expired)]);
    }
}

const BOXES: [&str; 6] = ["b1", "b2", "b3", "b4", "b5", "b6"];

/// Opens a room on each box that closes in a few seconds, and lets its warning fire while something else happens.
async fn race_with_warnings(
    installation: &Installation,
    service: &Service,
    schedules: &Schedules,
    happens: impl AsyncFn(&str),
) -> Vec<DateTime<Utc>> {
    let log = installation.log().await;
    join_all(BOXES.map(|box_id| service.furnish(box_id))).await;
    let ends = join_all(BOXES.map(|box_id| opens_late(&log, box_id, TimeDelta::seconds(8)))).await;
    let pairs = BOXES.into_iter().zip(&ends);
    join_all(pairs.map(async |(box_id, end)| tokio::join!(schedules.warn(box_id, *end), happens(box_id)))).await;
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_during_the_warning_keeps_the_room_open_until_its_new_end() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    let ends = race_with_warnings(&installation, &service, &schedules, async |box_id| {
        let path = format!("/rooms/{box_id}.1/extensions");
        service.post(Bearer::User("ana"), &path, json!({ "hours": 1 })).await.created();
    })
    .await;
    for (box_id, end) in BOXES.into_iter().zip(ends) {
        let extended = end + TimeDelta::hours(1);
        schedules.until_due(&format!("{box_id}.1"), extended - CLOSING_WARNING).await;
        let warned = warnings(&log, box_id).await;
        assert!(warned.len() <= 1 && warned.iter().all(|(_, closes_at)| *closes_at == end), "{warned:?}");
        assert_eq!(closings(&log, box_id).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_opened_during_the_warning_of_the_former_one_keeps_its_deadline() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let (log, schedules) = (installation.log().await, Schedules::of(&installation).await);
    race_with_warnings(&installation, &service, &schedules, async |box_id| {
        service.delete(Bearer::User("ana"), &format!("/rooms/{box_id}.1")).await.done();
        service.open_room("ben", box_id).await.created();
    })
    .await;
    for box_id in BOXES {
        let next = RoomId::new(box_id.parse().unwrap(), 2);
        let deadline = closing_time(&log, &next).await - CLOSING_WARNING;
        schedules.until_due(&next.to_string(), deadline).await;
        assert_eq!(closings(&log, box_id).await, [(1, RoomClosedReason::Host)]);
        assert!(warnings(&log, box_id).await.iter().all(|(number, _)| *number == 1));
    }
}
