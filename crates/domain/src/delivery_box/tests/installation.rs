//! Boxes: installed, changed, taken out of service, returned, retired. Reports of boxes.

use super::*;
use crate::scenario::fold;

fn change(zip_code: Option<&str>) -> BoxCommand {
    BoxCommand::Box(OwnCommand::ChangeBoxDetails {
        kind: None,
        zip_code: zip_code.map(text),
        address: None,
        detailed_address: None,
        coordinates: None,
    })
}

fn take_out() -> BoxCommand {
    BoxCommand::Box(OwnCommand::TakeOutOfService { reason: Some(text("broken lock")) })
}

fn retire(at: i64) -> BoxCommand {
    BoxCommand::Box(OwnCommand::RetireBox { closes_room: false, at: minute(at) })
}

fn arrival(at: i64) -> BoxCommand {
    BoxCommand::Box(OwnCommand::RecordArrival { at: minute(at) })
}

fn door_opening(at: i64) -> BoxCommand {
    BoxCommand::Box(OwnCommand::RecordDoorOpening { at: minute(at) })
}

#[test]
fn a_new_box_can_be_installed() {
    given([]).when(install()).then([installed()]);
}

#[test]
fn a_box_id_is_used_once() {
    given([installed()]).when(install()).then_refused(&BoxRefusal::BoxExists);
    given([installed(), BoxEvent::Box(OwnEvent::BoxRetired {})]).when(install()).then_refused(&BoxRefusal::BoxExists);
}

#[test]
fn every_command_to_an_unknown_box_is_refused() {
    let commands =
        [change(Some("04109")), take_out(), BoxCommand::Box(OwnCommand::ReturnToService), retire(0), arrival(0)];
    let commands = commands.into_iter().chain([
        door_opening(0),
        open("ann", 0),
        join("ann", PasswordProof::Missing),
        RoomCommand::ExpireRoom { closes_at: minute(0) }.in_room(room(1)),
    ]);
    given([]).each_refused(commands.chain(room_commands(&room(1), "ann", 0)), &BoxRefusal::BoxNotFound);
}

#[test]
fn only_the_given_details_change() {
    given([installed()]).when(change(Some("10115"))).then([BoxEvent::Box(OwnEvent::BoxDetailsChanged {
        kind: None,
        zip_code: Some("10115".into()),
        address: None,
        detailed_address: None,
        coordinates: None,
    })]);
}

#[test]
fn every_detail_can_be_changed() {
    let all = BoxCommand::Box(OwnCommand::ChangeBoxDetails {
        kind: Some(BoxKind::Private),
        zip_code: Some(text("10115")),
        address: Some(text("Ring 2")),
        detailed_address: Some(text("cellar")),
        coordinates: Some(Coordinates::new(52.5, 13.4).unwrap()),
    });
    given([installed()]).when(all).then([BoxEvent::Box(OwnEvent::BoxDetailsChanged {
        kind: Some(BoxKind::Private),
        zip_code: Some("10115".into()),
        address: Some("Ring 2".into()),
        detailed_address: Some("cellar".into()),
        coordinates: Some((52.5, 13.4)),
    })]);
}

#[test]
fn each_detail_can_be_changed_alone() {
    let none = || (None, None, None, None, None);
    let alone = [
        (Some(BoxKind::Private), None, None, None, None),
        (None, Some(text("10115")), None, None, None),
        (None, None, Some(text("Ring 2")), None, None),
        (None, None, None, Some(text("cellar")), None),
        (None, None, None, None, Some(Coordinates::new(52.5, 13.4).unwrap())),
        none(),
    ];
    let state: DeliveryBox = fold(DeliveryBox::default(), [installed()]);
    let counts = alone.map(|(kind, zip_code, address, detailed_address, coordinates)| {
        let command =
            BoxCommand::Box(OwnCommand::ChangeBoxDetails { kind, zip_code, address, detailed_address, coordinates });
        state.decide(command).unwrap().len()
    });
    assert_eq!(counts, [1, 1, 1, 1, 1, 0]);
}

#[test]
fn a_box_goes_out_of_service_and_returns() {
    given([installed()]).when(take_out()).then([taken_out()]);
    given([installed(), taken_out()])
        .when(BoxCommand::Box(OwnCommand::ReturnToService))
        .then([BoxEvent::Box(OwnEvent::BoxReturnedToService {})]);
}

#[test]
fn setting_the_current_service_state_changes_nothing() {
    given([installed(), taken_out()]).when(take_out()).then_nothing();
    given([installed()]).when(BoxCommand::Box(OwnCommand::ReturnToService)).then_nothing();
}

#[test]
fn a_box_out_of_service_opens_no_room_until_it_returns() {
    let returned = BoxEvent::Box(OwnEvent::BoxReturnedToService {});
    given([installed(), taken_out()]).when(open("ann", 0)).then_refused(&BoxRefusal::BoxOutOfService);
    given([installed(), taken_out(), returned]).when(open("ann", 0)).then([opened(1, "ann", 0)]);
}

#[test]
fn an_open_room_continues_when_its_box_goes_out_of_service() {
    let past = room_with_and(&[], [taken_out()]);
    given(past).when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
}

#[test]
fn a_free_box_can_be_retired() {
    given([installed()]).when(retire(0)).then([BoxEvent::Box(OwnEvent::BoxRetired {})]);
    given([installed(), taken_out()]).when(retire(0)).then([BoxEvent::Box(OwnEvent::BoxRetired {})]);
    let free_again = room_with_and(&[], [closed(1, RoomClosedReason::Host)]);
    given(free_again).when(retire(1)).then([BoxEvent::Box(OwnEvent::BoxRetired {})]);
}

#[test]
fn a_box_in_use_is_not_retired() {
    given(room_with(&[])).when(retire(1)).then_refused(&BoxRefusal::BoxInUse);
    given(room_with(&[])).when(retire(DEADLINE - 1)).then_refused(&BoxRefusal::BoxInUse);
}

#[test]
fn retiring_a_box_closes_an_overdue_room() {
    let expired = closed(1, RoomClosedReason::Expired);
    given(room_with(&[])).when(retire(DEADLINE)).then([expired, BoxEvent::Box(OwnEvent::BoxRetired {})]);
}

#[test]
fn a_retired_box_stays_retired() {
    let commands =
        [change(Some("04109")), take_out(), BoxCommand::Box(OwnCommand::ReturnToService), retire(0), arrival(0)];
    let commands = commands.into_iter().chain([door_opening(0), open("ann", 0)]);
    given([installed(), BoxEvent::Box(OwnEvent::BoxRetired {})]).each_refused(commands, &BoxRefusal::BoxRetired);
}

#[test]
fn a_report_of_a_box_belongs_to_the_open_room() {
    let here = Some(room(1));
    given(room_with(&[])).when(arrival(1)).then([BoxEvent::Box(OwnEvent::OrderArrived { room_id: here.clone() })]);
    given(room_with(&[])).when(door_opening(1)).then([BoxEvent::Box(OwnEvent::DoorOpened { room_id: here })]);
}

#[test]
fn a_report_of_a_free_box_belongs_to_no_room() {
    let closed_room = || room_with_and(&[], [closed(1, RoomClosedReason::Host)]);
    for (past, at) in [(vec![installed()], 0), (closed_room(), 1), (room_with(&[]), DEADLINE)] {
        given(past.clone()).when(arrival(at)).then([BoxEvent::Box(OwnEvent::OrderArrived { room_id: None })]);
        given(past).when(door_opening(at)).then([BoxEvent::Box(OwnEvent::DoorOpened { room_id: None })]);
    }
}

#[test]
fn an_event_can_be_dropped_in_every_state_of_the_box() {
    for past in
        [vec![], vec![installed()], room_with(&["ben"]), vec![installed(), BoxEvent::Box(OwnEvent::BoxRetired {})]]
    {
        given(past).when(drop_event(Some(7))).then([dropped(7)]);
    }
}

#[test]
fn only_an_existing_event_can_be_dropped() {
    given([installed()]).when(drop_event(None)).then_refused(&BoxRefusal::EventNotFound);
    given([]).when(drop_event(None)).then_refused(&BoxRefusal::BoxNotFound);
}

#[test]
fn dropping_an_event_changes_nothing_else() {
    let before: DeliveryBox = fold(DeliveryBox::default(), room_with(&["ben"]));
    assert_eq!(fold(DeliveryBox::default(), room_with_and(&["ben"], [dropped(7)])), before);
}

#[test]
fn a_box_in_use_can_be_retired_with_its_room() {
    let retired = || BoxEvent::Box(OwnEvent::BoxRetired {});
    let retire = |at| BoxCommand::Box(OwnCommand::RetireBox { closes_room: true, at: minute(at) });
    given(room_with(&["ben"])).when(retire(1)).then([closed(1, RoomClosedReason::BoxRetired), retired()]);
    given(room_with(&[])).when(retire(DEADLINE)).then([closed(1, RoomClosedReason::Expired), retired()]);
    given([installed()]).when(retire(1)).then([retired()]);
    given([installed(), retired()]).when(retire(1)).then_refused(&BoxRefusal::BoxRetired);
}
