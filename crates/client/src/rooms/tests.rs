use serde_json::json;

use super::*;

fn room() -> RoomId {
    "b.1".parse().unwrap()
}

fn on_frame(rooms: &mut Rooms, frame: &serde_json::Value) -> Result<Option<Incoming>, Loss> {
    rooms.on_frame(Frame::decode(&frame.to_string()).unwrap())
}

fn event(rooms: &mut Rooms, v: u64) -> Result<Option<Incoming>, Loss> {
    let frame = json!({ "room_id": "b.1", "v": v, "type": "x", "at": "2026-01-01T00:00:00Z", "by": "ana", "data": {} });
    on_frame(rooms, &frame)
}

/// Returns for each version if it was delivered.
fn handed_out(rooms: &mut Rooms, versions: &[u64]) -> Vec<bool> {
    versions.iter().map(|v| event(rooms, *v).unwrap().is_some()).collect()
}

fn subscribed(rooms: &mut Rooms, id: Option<u64>, head_v: u64) -> Option<Incoming> {
    let frame = json!({ "type": "subscribed", "id": id, "room_id": "b.1", "head_v": head_v, "recovered": true });
    on_frame(rooms, &frame).unwrap()
}

fn following(since: Since, head_v: u64) -> Rooms {
    let mut rooms = Rooms::default();
    rooms.request(room(), since);
    rooms.hello();
    assert!(subscribed(&mut rooms, None, head_v).is_some());
    assert_eq!(rooms.next_change(), None);
    rooms
}

fn asks(rooms: &mut Rooms) -> (u64, Option<u64>) {
    match rooms.next_change() {
        Some(Change::Subscribe(ClientFrame::Subscribe { id, v, .. })) => (id, v),
        other => panic!("not a subscribe: {other:?}"),
    }
}

#[test]
fn only_the_next_version_is_delivered() {
    let mut rooms = following(Since::After(3), 9);
    assert_eq!(handed_out(&mut rooms, &[3, 4, 4, 1, 5, 5, 6]), [false, true, false, false, true, false, true]);
}

#[test]
fn a_gap_is_requested_and_events_in_between_are_dropped() {
    let mut rooms = following(Since::After(0), 2);
    assert_eq!(handed_out(&mut rooms, &[1, 3, 4]), [true, false, false]);
    let (id, v) = asks(&mut rooms);
    assert_eq!((v, rooms.next_change()), (Some(1), None));
    assert_eq!(handed_out(&mut rooms, &[5]), [false]);
    subscribed(&mut rooms, Some(id), 5);
    assert_eq!(handed_out(&mut rooms, &[2, 3, 4, 5]), [true; 4]);
}

#[test]
fn an_unfilled_gap_ends_the_connection() {
    let mut rooms = following(Since::After(0), 2);
    event(&mut rooms, 2).unwrap();
    let (id, _) = asks(&mut rooms);
    subscribed(&mut rooms, Some(id), 2);
    assert!(matches!(event(&mut rooms, 2), Err(Loss::ProtocolViolation(_))));
    rooms.hello();
    subscribed(&mut rooms, None, 2);
    assert_eq!(handed_out(&mut rooms, &[1, 2]), [true; 2]);
}

#[test]
fn a_head_missing_at_the_next_ping_is_a_lost_tail() {
    let mut rooms = following(Since::After(0), 1);
    let ping =
        |rooms: &mut Rooms, head: u64| on_frame(rooms, &json!({ "type": "ping", "heads": { "b.1": head } })).unwrap();
    event(&mut rooms, 1).unwrap();
    ping(&mut rooms, 3);
    assert_eq!(rooms.next_change(), None, "it may be on its way");
    event(&mut rooms, 2).unwrap();
    ping(&mut rooms, 3);
    assert_eq!(asks(&mut rooms).1, Some(2));
}

#[test]
fn a_subscription_from_now_begins_at_the_head() {
    let mut rooms = Rooms::default();
    rooms.request(room(), Since::Now);
    assert_eq!(rooms.hello(), [RoomFrom { room_id: room(), v: None }]);
    assert_eq!(handed_out(&mut rooms, &[7]), [false]);
    subscribed(&mut rooms, None, 7);
    assert_eq!(handed_out(&mut rooms, &[7, 8]), [false, true]);
    assert_eq!(rooms.hello(), [RoomFrom { room_id: room(), v: Some(8) }], "and resumes from there");
}

#[test]
fn an_answer_to_an_older_request_is_ignored() {
    let mut rooms = following(Since::After(5), 5);
    rooms.request(room(), Since::After(0));
    let (first, _) = asks(&mut rooms);
    rooms.request(room(), Since::After(0));
    let (second, _) = asks(&mut rooms);
    assert_eq!(subscribed(&mut rooms, Some(first), 5), None);
    let parted = json!({ "type": "unsubscribed", "room_id": "b.1", "reason": "left" });
    assert_eq!(on_frame(&mut rooms, &parted).unwrap(), None);
    assert!(subscribed(&mut rooms, Some(second), 5).is_some());
    assert_eq!(
        on_frame(&mut rooms, &parted).unwrap(),
        Some(Incoming::Ended { room: room(), reason: Ending::Parted("left".to_owned()) })
    );
}

#[test]
fn a_temporary_refusal_is_retried_and_a_permanent_one_ends_the_room() {
    let mut rooms = Rooms::default();
    rooms.request(room(), Since::After(0));
    let refused = |id, code| json!({ "type": "error", "id": id, "room_id": "b.1", "code": code, "detail": "why" });
    let (id, _) = asks(&mut rooms);
    assert_eq!(on_frame(&mut rooms, &refused(id, "database-unavailable")).unwrap(), None);
    assert_eq!((rooms.next_change(), rooms.any_postponed()), (None, true));
    rooms.retry();
    let (id, v) = asks(&mut rooms);
    assert_eq!(v, Some(0));
    let reason = Ending::Refused { code: "not-a-member".to_owned(), detail: "why".to_owned() };
    assert_eq!(
        on_frame(&mut rooms, &refused(id, "not-a-member")).unwrap(),
        Some(Incoming::Ended { room: room(), reason })
    );
    assert!(rooms.hello().is_empty());
}

#[test]
fn a_room_continues_from_its_head_after_a_reset() {
    let mut rooms = Rooms::default();
    rooms.request(room(), Since::After(90));
    rooms.hello();
    let reset = json!({ "type": "reset", "room_id": "b.1", "reason": "unknown-version", "head_v": 4 });
    assert!(matches!(on_frame(&mut rooms, &reset).unwrap(), Some(Incoming::Reset { head_v: 4, .. })));
    subscribed(&mut rooms, None, 4);
    assert_eq!(handed_out(&mut rooms, &[4, 5]), [false, true]);
}

#[test]
fn a_user_kicked_while_offline_gets_the_kick_as_the_next_event() {
    let mut rooms = following(Since::After(2), 2);
    rooms.hello();
    let reset = json!({ "type": "reset", "room_id": "b.1", "reason": "no-longer-inside", "head_v": 6 });
    assert!(matches!(on_frame(&mut rooms, &reset).unwrap(), Some(Incoming::Reset { head_v: 6, .. })));
    let subscribed = json!({ "type": "subscribed", "room_id": "b.1", "head_v": 7, "recovered": false });
    assert!(matches!(on_frame(&mut rooms, &subscribed).unwrap(), Some(Incoming::Subscribed { recovered: false, .. })));
    assert_eq!(handed_out(&mut rooms, &[7]), [true]);
    let parted = json!({ "type": "unsubscribed", "room_id": "b.1", "reason": "kicked" });
    assert!(matches!(on_frame(&mut rooms, &parted).unwrap(), Some(Incoming::Ended { .. })));
}

#[test]
fn a_left_room_delivers_nothing() {
    let mut rooms = following(Since::After(0), 1);
    rooms.leave(&room());
    assert_eq!(handed_out(&mut rooms, &[1]), [false]);
    assert_eq!(rooms.next_change(), Some(Change::End(room())));
    assert_eq!((handed_out(&mut rooms, &[2]), rooms.next_change()), (vec![false], None));
}

#[test]
fn a_hello_never_exceeds_the_frame_limit() {
    let mut rooms = Rooms::default();
    for number in 1..=200 {
        rooms.request(
            format!("{}.{}", "b".repeat(40), 999_999_000 + number).parse().unwrap(),
            Since::After(u64::MAX - 1),
        );
    }
    let asked = rooms.hello();
    let cursor = Some("c".repeat(24_000));
    let bytes = ClientFrame::Hello { token: "t".repeat(1024), cursor, rooms: asked }.encode().len();
    assert!(bytes < 48 * 1024, "{bytes}");
    assert!(matches!(rooms.next_change(), Some(Change::Subscribe(_))), "the others are asked for one by one");
}
