//! Tests of the rules about a store.

use serde_json::json;

use super::*;
use crate::{
    scenario::{Given, fold, types_known_to_serde},
    values::InvalidValue,
};

fn given(past: impl IntoIterator<Item = StoreEvent>) -> Given<Store> {
    Given::past(past)
}

fn text<T: TryFrom<String, Error = InvalidValue>>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap()
}

fn register() -> StoreCommand {
    StoreCommand::RegisterStore {
        store_id: "pizzeria".parse().unwrap(),
        name: text("Da Anna"),
        zip_code: text("04109"),
        category: None,
    }
}

fn registered() -> StoreEvent {
    StoreEvent::StoreRegistered {
        store_id: "pizzeria".parse().unwrap(),
        name: "Da Anna".into(),
        zip_code: "04109".into(),
        category: None,
    }
}

fn change(name: Option<&str>, zip_code: Option<&str>, category: Option<&str>) -> StoreCommand {
    StoreCommand::ChangeStore { name: name.map(text), zip_code: zip_code.map(text), category: category.map(text) }
}

fn changed(name: Option<&str>, zip_code: Option<&str>, category: Option<&str>) -> StoreEvent {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    StoreEvent::StoreChanged { name: owned(name), zip_code: owned(zip_code), category: owned(category) }
}

#[test]
fn a_store_is_registered_and_open() {
    given([]).when(register()).then([registered()]);
    let state = fold(Store::default(), [registered()]);
    assert!(state.is_registered() && state.is_open());
}

#[test]
fn a_store_id_is_used_once() {
    given([registered()]).when(register()).then_refused(&StoreRefusal::StoreExists);
    given([registered(), StoreEvent::StoreClosed {}]).when(register()).then_refused(&StoreRefusal::StoreExists);
}

#[test]
fn every_command_to_an_unknown_store_is_refused() {
    let commands = [
        change(Some("Da Ben"), None, None),
        change(None, None, None),
        StoreCommand::OpenStore,
        StoreCommand::CloseStore,
        StoreCommand::RetireStore,
    ];
    given([]).each_refused(commands, &StoreRefusal::StoreNotFound);
    assert!(!Store::default().is_registered() && !Store::default().is_open());
}

#[test]
fn only_the_given_details_change() {
    let some = Some("10115");
    given([registered()]).when(change(some, None, None)).then([changed(some, None, None)]);
    given([registered()]).when(change(None, some, None)).then([changed(None, some, None)]);
    given([registered()]).when(change(None, None, some)).then([changed(None, None, some)]);
    given([registered()]).when(change(None, None, None)).then_nothing();
}

#[test]
fn changing_details_keeps_the_availability() {
    let state = |past: &[StoreEvent]| fold(Store::default(), past.to_vec());
    let change = || changed(Some("Da Ben"), None, None);
    assert!(state(&[registered(), change()]).is_open());
    assert!(!state(&[registered(), StoreEvent::StoreClosed {}, change()]).is_open());
}

#[test]
fn a_store_closes_and_opens_for_orders() {
    given([registered()]).when(StoreCommand::CloseStore).then([StoreEvent::StoreClosed {}]);
    let past = || [registered(), StoreEvent::StoreClosed {}];
    given(past()).when(StoreCommand::OpenStore).then([StoreEvent::StoreOpened {}]);
    assert!(!fold(Store::default(), past()).is_open());
    assert!(fold(Store::default(), past().into_iter().chain([StoreEvent::StoreOpened {}])).is_open());
}

#[test]
fn setting_the_current_availability_changes_nothing() {
    given([registered()]).when(StoreCommand::OpenStore).then_nothing();
    given([registered(), StoreEvent::StoreClosed {}]).when(StoreCommand::CloseStore).then_nothing();
}

#[test]
fn a_retired_store_is_closed_and_never_changes_again() {
    for past in [vec![registered()], vec![registered(), StoreEvent::StoreClosed {}]] {
        given(past.clone()).when(StoreCommand::RetireStore).then([StoreEvent::StoreRetired {}]);
        let past: Vec<_> = past.into_iter().chain([StoreEvent::StoreRetired {}]).collect();
        let state = fold(Store::default(), past.clone());
        assert!(state.is_registered() && state.is_retired() && !state.is_open());
        given(past.clone()).when(StoreCommand::RetireStore).then_nothing();
        let commands = [change(Some("Da Ben"), None, None), StoreCommand::OpenStore, StoreCommand::CloseStore];
        given(past).each_refused(commands, &StoreRefusal::StoreRetired);
    }
}

#[test]
fn every_event_is_listed_and_keeps_its_stored_form() {
    let examples = [
        (registered(), json!({"store_id": "pizzeria", "name": "Da Anna", "zip_code": "04109", "category": null})),
        (changed(None, None, Some("pizza")), json!({"name": null, "zip_code": null, "category": "pizza"})),
        (StoreEvent::StoreOpened {}, json!({})),
        (StoreEvent::StoreClosed {}, json!({})),
        (StoreEvent::StoreRetired {}, json!({})),
    ];
    assert_eq!(types_known_to_serde::<StoreEvent>(), StoreEvent::TYPES);
    assert_eq!(examples.each_ref().map(|(event, _)| event.name()), StoreEvent::TYPES);
    for (event, data) in examples {
        let stored = json!({"type": event.name(), "data": data});
        assert_eq!(serde_json::to_value(&event).unwrap(), stored);
        assert_eq!(serde_json::from_value::<StoreEvent>(stored).unwrap(), event);
    }
}

#[test]
fn the_state_of_a_store_keeps_its_stored_form() {
    let state = fold(Store::default(), [registered()]);
    assert_eq!(serde_json::to_value(&state).unwrap(), json!({"registered": true, "open": true}));
    let state = fold(state, [StoreEvent::StoreRetired {}]);
    assert_eq!(serde_json::to_value(&state).unwrap(), json!({"registered": true, "open": false, "retired": true}));
}
