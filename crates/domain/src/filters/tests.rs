//! Tests of the rules about filters.

use serde_json::json;

use super::*;
use crate::scenario::{Given, fold, types_known_to_serde};

fn given(past: impl IntoIterator<Item = FilterEvent>) -> Given<Filters> {
    Given::past(past)
}

fn id(number: usize) -> FilterId {
    format!("filter-{number}").parse().unwrap()
}

fn set(number: usize, pattern: &str, action: FilterAction) -> FilterCommand {
    let pattern = FilterPattern::new(FilterKind::Word, pattern).unwrap();
    FilterCommand::SetFilter { filter_id: id(number), pattern, action }
}

fn was_set(number: usize, pattern: &str, action: FilterAction) -> FilterEvent {
    FilterEvent::FilterSet { filter_id: id(number), kind: FilterKind::Word, pattern: pattern.to_owned(), action }
}

fn remove(number: usize) -> FilterCommand {
    FilterCommand::RemoveFilter { filter_id: id(number) }
}

fn removed(number: usize) -> FilterEvent {
    FilterEvent::FilterRemoved { filter_id: id(number) }
}

use FilterAction::{Mask, Refuse};

#[test]
fn filters_are_set_replaced_and_removed() {
    given([]).when(set(1, "soup", Refuse)).then([was_set(1, "soup", Refuse)]);
    given([was_set(1, "soup", Refuse)]).when(set(1, "soup", Refuse)).then_nothing();
    given([was_set(1, "soup", Refuse)]).when(set(1, "soup", Mask)).then([was_set(1, "soup", Mask)]);
    given([was_set(1, "soup", Refuse)]).when(remove(1)).then([removed(1)]);
    given([was_set(1, "soup", Refuse), removed(1)]).when(remove(1)).then_refused(&FilterRefusal::FilterNotFound);
}

#[test]
fn there_are_at_most_five_hundred_filters() {
    let past = || (1..=MAX_FILTERS).map(|number| was_set(number, "soup", Mask));
    given(past()).when(set(501, "tea", Mask)).then_refused(&FilterRefusal::TooManyFilters);
    given(past()).when(set(7, "tea", Mask)).then([was_set(7, "tea", Mask)]);
    given(past().chain([removed(7)])).when(set(501, "tea", Mask)).then([was_set(501, "tea", Mask)]);
}

#[test]
fn every_event_is_listed_and_keeps_its_stored_form() {
    let examples = [
        (
            was_set(1, "soup", Refuse),
            json!({"filter_id": "filter-1", "kind": "word", "pattern": "soup", "action": "refuse"}),
        ),
        (removed(1), json!({"filter_id": "filter-1"})),
    ];
    assert_eq!(types_known_to_serde::<FilterEvent>(), FilterEvent::TYPES);
    assert_eq!(examples.each_ref().map(|(event, _)| event.name()), FilterEvent::TYPES);
    for (event, data) in examples {
        let stored = json!({"type": event.name(), "data": data});
        assert_eq!(serde_json::to_value(&event).unwrap(), stored);
        assert_eq!(serde_json::from_value::<FilterEvent>(stored).unwrap(), event);
    }
    for (kind, action) in [(FilterKind::Word, Refuse), (FilterKind::Link, Mask)] {
        assert_eq!(json!([kind, action]), json!([kind.as_str(), action.as_str()]));
    }
}

#[test]
fn the_state_of_the_filters_keeps_its_stored_form() {
    let stored = json!({"filters": {"filter-1": {"kind": "word", "pattern": "soup", "action": "mask"}}});
    assert_eq!(serde_json::to_value(fold(Filters::default(), [was_set(1, "soup", Mask)])).unwrap(), stored);
}
