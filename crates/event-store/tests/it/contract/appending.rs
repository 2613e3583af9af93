//! Tests of guards, message ids and batches.

use std::sync::Arc;

use event_store::{
    Log,
    log::{Attempt, Freshness, Guard, NewMessage},
};
use wire::StreamName;

use super::{PATIENCE, STREAM, attempt, guarded, message, room, stored, talk};

pub(crate) async fn appends_get_dense_sequences(log: Arc<dyn Log>) {
    for expected in 1..=20 {
        let subject = if expected % 2 == 0 { room("b1") } else { talk("b2") };
        assert_eq!(stored(&log, message(&subject, "x")).await, expected);
    }
    let state = log.state(STREAM).await.unwrap();
    assert_eq!((state.first_sequence, state.last_sequence), (1, 20));
    assert!(!state.incarnation.is_empty());
}

pub(crate) async fn a_guard_accepts_only_the_expected_sequence(log: Arc<dyn Log>) {
    assert_eq!(stored(&log, guarded(&room("b1"), "a", 0)).await, 1);
    assert_eq!(stored(&log, guarded(&room("b2"), "b", 0)).await, 2);
    for wrong in [0, 2, 3] {
        assert!(matches!(attempt(&log, guarded(&room("b1"), "c", wrong)).await, Attempt::WrongLastSequence));
    }
    assert_eq!(stored(&log, guarded(&room("b1"), "c", 1)).await, 3);
}

pub(crate) async fn a_guard_on_another_subject_holds(log: Arc<dyn Log>) {
    let version = stored(&log, guarded(&room("b1"), "opened", 0)).await;
    let say = |body: &str| NewMessage {
        guard: Some(Guard { subject: Some(room("b1")), sequence: version }),
        ..message(&talk("b1"), body)
    };
    for body in ["a", "b", "c"] {
        stored(&log, say(body)).await;
    }
    stored(&log, guarded(&room("b1"), "kicked", version)).await;
    assert!(matches!(attempt(&log, say("d")).await, Attempt::WrongLastSequence));
    let last = log.last(STREAM, &talk("b1"), Freshness::Leader).await.unwrap().unwrap();
    assert_eq!(last.payload, "c");
}

pub(crate) async fn a_known_id_is_not_stored_again(log: Arc<dyn Log>) {
    let first = NewMessage { message_id: Some("id-1".into()), ..message(&talk("b1"), "a") };
    let sequence = stored(&log, first.clone()).await;
    stored(&log, message(&talk("b1"), "b")).await;
    match attempt(&log, first).await {
        Attempt::Duplicate { sequence: known } => assert_eq!(known, sequence),
        other => panic!("{other:?}"),
    }
    assert_eq!(log.state(STREAM).await.unwrap().last_sequence, 2);
}

pub(crate) async fn a_known_id_is_detected_on_another_subject_too(log: Arc<dyn Log>) {
    let with_id = |subject: String| NewMessage { message_id: Some("id-1".into()), ..message(&subject, "a") };
    let sequence = stored(&log, with_id(talk("b1"))).await;
    match attempt(&log, with_id(talk("b2"))).await {
        Attempt::Duplicate { sequence: known } => assert_eq!(known, sequence),
        other => panic!("{other:?}"),
    }
}

fn registration(user: &str, nickname: &str, claimed_at: u64) -> [NewMessage; 2] {
    let on = |subject: String, sequence| NewMessage {
        stream: StreamName::User,
        guard: Some(Guard { subject: None, sequence }),
        ..message(&subject, user)
    };
    let claim = on(format!("claim.nickname.{nickname}"), claimed_at);
    [claim, NewMessage { message_id: Some(format!("id-{user}")), ..on(format!("user.{user}"), 0) }]
}

pub(crate) async fn a_batch_is_stored_atomically(log: Arc<dyn Log>) {
    let first = log.attempt(&registration("ann", "sunny", 0), PATIENCE).await;
    assert!(matches!(first, Attempt::Stored { sequence: 2 }), "{first:?}");
    let taken = log.attempt(&registration("bob", "sunny", 0), PATIENCE).await;
    assert!(matches!(taken, Attempt::WrongLastSequence), "{taken:?}");
    assert!(log.last(StreamName::User, "user.bob", Freshness::Leader).await.unwrap().is_none());
    let other = log.attempt(&registration("bob", "windy", 0), PATIENCE).await;
    assert!(matches!(other, Attempt::Stored { sequence: 4 }), "{other:?}");
    assert_eq!(log.state(StreamName::User).await.unwrap().last_sequence, 4);
}

pub(crate) async fn a_batch_with_a_known_id_is_refused(log: Arc<dyn Log>) {
    log.attempt(&registration("ann", "sunny", 0), PATIENCE).await;
    // Another user's subject and another claim, so that only the id conflicts.
    let mut again = registration("eve", "windy", 0);
    again[1].message_id = Some("id-ann".into());
    let refused = log.attempt(&again, PATIENCE).await;
    assert!(matches!(refused, Attempt::KnownIdInBatch), "{refused:?}");
    assert_eq!(log.state(StreamName::User).await.unwrap().last_sequence, 2);
}
