//! Tests of the rules about reports.

use serde_json::json;

use super::*;
use crate::scenario::{Given, fold, handle, types_known_to_serde};

fn given(past: impl IntoIterator<Item = ReportEvent>) -> Given<Report> {
    Given::past(past)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn note(text: &str) -> ReportNote {
    text.to_owned().try_into().unwrap()
}

fn file() -> ReportCommand {
    let message = ReportedMessage {
        room_id: "box.1".parse().unwrap(),
        message_id: MessageId::new(7),
        text: "buy soup".to_owned(),
    };
    ReportCommand::FileReport {
        reporter: user("ann"),
        user_id: user("bob"),
        message: Some(message),
        category: ReportCategory::Spam,
        note: Some(note("again")),
    }
}

fn filed() -> ReportEvent {
    ReportEvent::ReportFiled {
        reporter: user("ann"),
        user_id: user("bob"),
        room_id: Some("box.1".parse().unwrap()),
        message_id: Some(MessageId::new(7)),
        text: Some("buy soup".to_owned()),
        category: ReportCategory::Spam,
        note: Some("again".to_owned()),
    }
}

fn claim(by: &str) -> ReportCommand {
    ReportCommand::ClaimReport { by: user(by) }
}

fn claimed(by: &str) -> ReportEvent {
    ReportEvent::ReportClaimed { by: user(by) }
}

fn release(by: &str, of_any: bool) -> ReportCommand {
    ReportCommand::ReleaseReport { by: user(by), of_any }
}

fn released(by: &str) -> ReportEvent {
    ReportEvent::ReportReleased { by: user(by) }
}

fn resolve(by: &str) -> ReportCommand {
    ReportCommand::ResolveReport { by: user(by), action: ReportAction::Warned, note: Some(note("first time")) }
}

fn resolved(by: &str, note: Option<&str>) -> ReportEvent {
    ReportEvent::ReportResolved { by: user(by), action: ReportAction::Warned, note: note.map(str::to_owned) }
}

fn forgotten() -> ReportEvent {
    ReportEvent::ReportForgotten {}
}

#[test]
fn a_report_is_filed_once() {
    given([]).when(file()).then([filed()]);
    given([filed()]).when(file()).then_refused(&ReportRefusal::AlreadyReported);
    let of_user = ReportCommand::FileReport {
        reporter: user("ann"),
        user_id: user("bob"),
        message: None,
        category: ReportCategory::Other,
        note: None,
    };
    given([]).when(of_user).then([ReportEvent::ReportFiled {
        reporter: user("ann"),
        user_id: user("bob"),
        room_id: None,
        message_id: None,
        text: None,
        category: ReportCategory::Other,
        note: None,
    }]);
}

#[test]
fn only_one_moderator_claims_a_report() {
    given([filed()]).when(claim("mo")).then([claimed("mo")]);
    given([filed(), claimed("mo")]).when(claim("mo")).then_nothing();
    given([filed(), claimed("mo")]).when(claim("may")).then_refused(&ReportRefusal::ReportClaimed);
    given([filed(), claimed("mo"), released("mo")]).when(claim("may")).then([claimed("may")]);
}

#[test]
fn a_claim_is_released_by_the_claimant_or_an_operator() {
    given([filed()]).when(release("mo", false)).then_nothing();
    given([filed(), claimed("mo")]).when(release("mo", false)).then([released("mo")]);
    given([filed(), claimed("mo")]).when(release("may", false)).then_refused(&ReportRefusal::ReportClaimed);
    given([filed(), claimed("mo")]).when(release("ops", true)).then([released("mo")]);
}

#[test]
fn the_claimant_closes_a_report() {
    given([filed()]).when(resolve("mo")).then_refused(&ReportRefusal::ReportNotClaimed);
    given([filed(), claimed("mo")]).when(resolve("mo")).then([resolved("mo", Some("first time"))]);
    given([filed(), claimed("mo")]).when(resolve("may")).then_refused(&ReportRefusal::ReportClaimed);
    given([filed(), claimed("mo"), forgotten()]).when(resolve("mo")).then([resolved("mo", None)]);
    given([filed(), claimed("mo"), resolved("mo", None)])
        .each_refused([claim("mo"), release("mo", true), resolve("mo")], &ReportRefusal::ReportClosed);
}

#[test]
fn a_report_is_forgotten_once() {
    given([filed()]).when(ReportCommand::ForgetReport).then([forgotten()]);
    given([filed(), claimed("mo"), resolved("mo", None)]).when(ReportCommand::ForgetReport).then([forgotten()]);
    given([filed(), forgotten()]).when(ReportCommand::ForgetReport).then_nothing();
}

#[test]
fn an_unknown_report_is_not_found() {
    let commands = [claim("mo"), release("mo", true), resolve("mo"), ReportCommand::ForgetReport];
    given([]).each_refused(commands, &ReportRefusal::ReportNotFound);
    let people = fold(Report::default(), [filed()]).people().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(people, ["ann", "bob"]);
    assert!(handle(&mut fold(Report::default(), [filed()]), claim("mo")).is_ok());
}

#[test]
fn every_event_is_listed_and_keeps_its_stored_form() {
    let examples = [
        (
            filed(),
            json!({
                "reporter": "ann", "user_id": "bob", "room_id": "box.1", "message_id": "7", "text": "buy soup",
                "category": "spam", "note": "again",
            }),
        ),
        (
            held(),
            json!({
                "user_id": "bob", "room_id": "box.1", "text": "buy soup", "reply_to": "7", "command_id": "key",
                "request_hash": "0f".repeat(16), "at": "1970-01-01T00:00:00Z",
            }),
        ),
        (published("mo", 1), json!({"by": "mo", "at": "1970-01-01T00:01:00Z"})),
        (claimed("mo"), json!({"by": "mo"})),
        (released("mo"), json!({"by": "mo"})),
        (resolved("mo", Some("first time")), json!({"by": "mo", "action": "warned", "note": "first time"})),
        (forgotten(), json!({})),
    ];
    assert_eq!(types_known_to_serde::<ReportEvent>(), ReportEvent::TYPES);
    assert_eq!(examples.each_ref().map(|(event, _)| event.name()), ReportEvent::TYPES);
    for (event, data) in examples {
        let stored = json!({"type": event.name(), "data": data});
        assert_eq!(serde_json::to_value(&event).unwrap(), stored);
        assert_eq!(serde_json::from_value::<ReportEvent>(stored).unwrap(), event);
    }
    let categories: Vec<&str> = ReportCategory::ALL.into_iter().map(ReportCategory::as_str).collect();
    assert_eq!(types_known_to_serde::<ReportCategory>(), categories);
    let actions: Vec<&str> = ReportAction::ALL.into_iter().map(ReportAction::as_str).collect();
    assert_eq!(types_known_to_serde::<ReportAction>(), actions);
}

#[test]
fn the_state_of_a_report_keeps_its_stored_form() {
    let state = fold(Report::default(), [filed(), claimed("mo")]);
    let stored = json!({"reporter": "ann", "user_id": "bob", "claimed_by": "mo", "closed": false, "forgotten": false});
    assert_eq!(serde_json::to_value(state).unwrap(), stored);
}

fn message() -> HeldMessage {
    HeldMessage {
        room_id: "box.1".parse().unwrap(),
        text: "buy soup".to_owned(),
        reply_to: Some(MessageId::new(7)),
        command_id: "key".to_owned(),
        request_hash: "0f".repeat(16),
        at: minute(0),
    }
}

fn hold() -> ReportCommand {
    ReportCommand::HoldMessage { author: user("bob"), message: message() }
}

fn held() -> ReportEvent {
    let HeldMessage { room_id, text, reply_to, command_id, request_hash, at } = message();
    ReportEvent::MessageHeld { user_id: user("bob"), room_id, text, reply_to, command_id, request_hash, at }
}

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn publish(by: &str, at: i64) -> ReportCommand {
    ReportCommand::PublishMessage { by: user(by), at: minute(at), window: TimeDelta::minutes(30) }
}

fn published(by: &str, at: i64) -> ReportEvent {
    ReportEvent::HeldMessagePublished { by: user(by), at: minute(at) }
}

#[test]
fn a_held_message_is_published_by_the_moderator_who_has_claimed_it() {
    given([]).when(hold()).then([held()]);
    given([held()]).when(hold()).then([]);
    given([held()]).when(publish("mo", 0)).then_refused(&ReportRefusal::ReportNotClaimed);
    given([held(), claimed("may")]).when(publish("mo", 0)).then_refused(&ReportRefusal::ReportClaimed);
    given([held(), claimed("mo")]).when(publish("mo", 0)).then([published("mo", 0)]);
    given([held(), claimed("mo")]).when(resolve("mo")).then([resolved("mo", Some("first time"))]);
    given([held(), claimed("mo"), resolved("mo", None)])
        .when(publish("mo", 0))
        .then_refused(&ReportRefusal::ReportClosed);
    given([held(), claimed("mo"), published("mo", 0)]).when(resolve("mo")).then_refused(&ReportRefusal::ReportClosed);
    given([]).when(publish("mo", 0)).then_refused(&ReportRefusal::ReportNotFound);
    given([filed(), claimed("mo")]).when(publish("mo", 0)).then_refused(&ReportRefusal::ReportHoldsNothing);
    given([held(), claimed("mo"), forgotten()]).when(publish("mo", 0)).then_refused(&ReportRefusal::ReportHoldsNothing);
}

#[test]
fn a_message_is_published_and_the_publication_repeated_while_its_id_is_known() {
    given([held(), claimed("mo")]).when(publish("mo", 29)).then([published("mo", 29)]);
    given([held(), claimed("mo")]).when(publish("mo", 30)).then_refused(&ReportRefusal::HeldTooLong);
    let past = [held(), claimed("mo"), published("mo", 20)];
    given(past.clone()).when(publish("may", 49)).then([]);
    given(past).when(publish("may", 50)).then_refused(&ReportRefusal::ReportClosed);
}

#[test]
fn the_text_of_a_held_message_is_in_the_state_until_it_is_forgotten() {
    let state = fold(Report::default(), [held()]);
    assert_eq!(state.held(), Some((&user("bob"), &message())));
    assert!(fold(Report::default(), [held(), forgotten()]).held().is_none());
}
