//! Changes of a room by its host, before the order was placed.

use super::*;

fn change(by: &str, change: RoomChange) -> BoxCommand {
    RoomCommand::ChangeRoom { by: user(by), change, at: minute(1) }.in_room(room(1))
}

fn changed(event: RoomEvent) -> BoxEvent {
    event.in_room(room(1))
}

/// A change of nothing.
fn unchanged() -> RoomEvent {
    RoomEvent::RoomChanged {
        store_id: None,
        title: None,
        max_members: None,
        password_hash: None,
        password_removed: false,
    }
}

fn with(change: impl FnOnce(&mut RoomChange)) -> RoomChange {
    let mut changed = RoomChange::default();
    change(&mut changed);
    changed
}

fn of_password(password_hash: Option<&str>) -> RoomChange {
    with(|change| change.password_hash = Some(password_hash.map(str::to_owned)))
}

fn of_size(members: u32) -> RoomChange {
    with(|change| change.max_members = Some(MaxMembers::try_from(members).unwrap()))
}

fn password_set(hash: &str) -> BoxEvent {
    let mut event = unchanged();
    if let RoomEvent::RoomChanged { password_hash, .. } = &mut event {
        *password_hash = Some(hash.to_owned());
    }
    changed(event)
}

fn password_removed() -> BoxEvent {
    let mut event = unchanged();
    if let RoomEvent::RoomChanged { password_removed, .. } = &mut event {
        *password_removed = true;
    }
    changed(event)
}

#[test]
fn the_host_changes_all_details_in_one_event() {
    let all = RoomChange {
        store: Some(("noodles".parse().unwrap(), true)),
        title: Some(text("Noodles at one")),
        max_members: Some(MaxMembers::try_from(9).unwrap()),
        password_hash: Some(Some(HASH.into())),
    };
    let event = RoomEvent::RoomChanged {
        store_id: Some("noodles".parse().unwrap()),
        title: Some("Noodles at one".into()),
        max_members: Some(9),
        password_hash: Some(HASH.into()),
        password_removed: false,
    };
    given(room_with(&[])).when(change("ann", all)).then([changed(event)]);
}

#[test]
fn a_change_of_nothing_has_no_effect() {
    given(room_with(&[])).when(change("ann", RoomChange::default())).then_nothing();
    given(room_with(&[])).when(change("ann", of_size(3))).then_nothing();
    given(room_with(&[])).when(change("ann", of_password(None))).then_nothing();
}

#[test]
fn the_password_is_set_replaced_and_removed() {
    const OTHER: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$b3RoZXI";
    given(room_with(&[])).when(change("ann", of_password(Some(HASH)))).then([password_set(HASH)]);
    let locked = || given(room_with_and(&[], [password_set(HASH)]));
    locked().when(join("ben", PasswordProof::Missing)).then_refused(&BoxRefusal::WrongPassword);
    locked().when(change("ann", of_password(None))).then([password_removed()]);
    let replaced = given(room_with_and(&[], [password_set(HASH), password_set(OTHER)]));
    replaced.when(join("ben", PasswordProof::Matches(HASH.into()))).then_refused(&BoxRefusal::WrongPassword);
    let unlocked = given(room_with_and(&[], [password_set(HASH), password_removed()]));
    unlocked.when(join("ben", PasswordProof::Missing)).then([joined("ben")]);
}

#[test]
fn a_room_is_not_made_smaller_than_its_members() {
    let past = || given(room_with(&["ben", "cho"]));
    past().when(change("ann", of_size(2))).then_refused(&BoxRefusal::TooManyMembers(3));
    let mut event = unchanged();
    if let RoomEvent::RoomChanged { max_members, .. } = &mut event {
        *max_members = Some(4);
    }
    past().when(change("ann", of_size(4))).then([changed(event.clone())]);
    let larger = given(room_with_and(&["ben", "cho"], [changed(event)]));
    larger.when(join("dan", PasswordProof::Missing)).then([joined("dan")]);
}

#[test]
fn a_room_needs_an_open_store() {
    let closed = with(|change| change.store = Some(("noodles".parse().unwrap(), false)));
    given(room_with(&[])).when(change("ann", closed)).then_refused(&BoxRefusal::StoreClosed);
}

#[test]
fn nothing_changes_once_the_order_was_placed() {
    let titled = || with(|change| change.title = Some(text("Late lunch")));
    let at = |step| given(room_with_and(&[], [RoomEvent::StepAdvanced { step }.in_room(room(1))]));
    for step in [Step::Ordered, Step::Delivering, Step::Arrived, Step::Collected] {
        at(step).when(change("ann", titled())).then_refused(&BoxRefusal::OrderPlaced);
    }
    let mut event = unchanged();
    if let RoomEvent::RoomChanged { title, .. } = &mut event {
        *title = Some("Late lunch".into());
    }
    at(Step::Ordering).when(change("ann", titled())).then([changed(event)]);
}
