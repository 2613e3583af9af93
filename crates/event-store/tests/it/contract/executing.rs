//! Tests of commands to boxes: executed once each, despite repeats, concurrent commands and stale caches.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, EventSequence, MessageId, OwnCommand, OwnEvent, RoomCommand, RoomId,
};
use event_store::{CommandError, Log, codec::envelope::header, log::Freshness};
use testing::commands::{
    box_id, by, close, executor, install, join, keyed, leave, noon, open, open_room, post, room_id, say, user,
};
use tokio::task::JoinSet;
use wire::{StreamName, partition_of};

use super::{attempt, message, stored};

fn stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), 4))
}

pub(crate) async fn a_command_returns_its_events_and_their_position(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    let committed = boxes.execute(&box_id(), install(), by("ops")).await.unwrap();
    assert_eq!((committed.sequence, committed.replayed), (1, false));
    assert_eq!(committed.position.stream, stream().label());
    assert_eq!(committed.position.incarnation, log.state(stream()).await.unwrap().incarnation);
    assert!(matches!(committed.events[0], BoxEvent::Box(OwnEvent::BoxInstalled { .. })));
    boxes.execute(&box_id(), open("ann"), by("ann")).await.unwrap();
    let said = boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap();
    let message = boxes.message(&box_id(), MessageId::new(said.sequence)).await.unwrap().unwrap();
    assert_eq!((message.room_id, message.author), (room_id(), user("ann")));
    assert!(boxes.message(&box_id(), MessageId::new(1)).await.unwrap().is_none(), "no message");
    assert!(boxes.message(&box_id(), MessageId::new(99)).await.unwrap().is_none(), "nothing");
}

pub(crate) async fn a_command_without_effect_appends_nothing(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let again = domain::BoxCommand::Box(domain::OwnCommand::ReturnToService);
    let committed = boxes.execute(&box_id(), again, by("ops")).await.unwrap();
    assert!(committed.events.is_empty());
    assert_eq!(committed.position.sequence, 2);
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, 2);
}

pub(crate) async fn the_members_at_the_closing_of_an_earlier_room_are_found(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    let execute = async |actor: &str, command| boxes.execute(&box_id(), command, by(actor)).await.unwrap().sequence;
    open_room(&boxes).await;
    let early = execute("ann", say("ann", "hello")).await;
    execute("bob", join("bob")).await;
    execute("cleo", join("cleo")).await;
    execute("bob", leave("bob")).await;
    let late = execute("ann", say("ann", "bye")).await;
    // The overdue room is closed by the commit that opens the next one.
    let mut next = open("dan");
    let BoxCommand::Box(OwnCommand::OpenRoom { at, .. }) = &mut next else { panic!("{next:?}") };
    *at = noon() + TimeDelta::hours(4);
    execute("dan", next).await;
    for since in [early, late] {
        let members = boxes.members_at_closing(&room_id(), since).await.unwrap();
        assert_eq!(members, [user("ann"), user("cleo")]);
    }
    let second = RoomId::new(box_id(), 2);
    let said = execute("dan", post(second.clone(), "dan", "hello")).await;
    execute("dan", RoomCommand::CloseRoom { by: user("dan"), at: noon() }.in_room(second.clone())).await;
    execute("ann", open("ann")).await;
    assert_eq!(boxes.members_at_closing(&second, said).await.unwrap(), [user("dan")]);
}

pub(crate) async fn one_of_many_users_opens_the_room(log: Arc<impl Log>) {
    let processes = [executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log)];
    processes[0].execute(&box_id(), install(), by("ops")).await.unwrap();
    let mut openers = JoinSet::new();
    for index in 0..100 {
        let boxes = processes[index % 2].clone();
        openers.spawn(async move {
            let host = format!("user{index}");
            boxes.execute(&box_id(), open(&host), by(&host)).await
        });
    }
    let answers = openers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let in_use =
        |answer: &&testing::commands::Answer| matches!(answer, Err(CommandError::Refused(BoxRefusal::BoxInUse)));
    assert_eq!(answers.iter().filter(in_use).count(), 99);
}

pub(crate) async fn each_user_joins_once(log: Arc<impl Log>) {
    let processes = [executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log)];
    open_room(&processes[0]).await;
    let mut joiners = JoinSet::new();
    for index in 0..60 {
        let boxes = processes[index % 2].clone();
        joiners.spawn(async move {
            let name = format!("user{index}");
            boxes.execute(&box_id(), join(&name), by(&name)).await.unwrap();
        });
    }
    joiners.join_all().await;
    let (state, _) = processes[0].load_latest(&box_id()).await.unwrap();
    assert_eq!(state.room().unwrap().members().len(), 61);
}

pub(crate) async fn messages_do_not_contend(log: Arc<impl Log>) {
    let processes = [executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log)];
    open_room(&processes[0]).await;
    let mut writers = JoinSet::new();
    for index in 0..64 {
        let boxes = processes[index % 2].clone();
        writers.spawn(async move {
            let mut sequences = Vec::new();
            for _ in 0..10 {
                sequences.push(boxes.execute(&box_id(), say("ann", "hi"), by("ann")).await.unwrap().sequence);
            }
            sequences
        });
    }
    let mut sequences: Vec<u64> = writers.join_all().await.concat();
    sequences.sort_unstable();
    assert_eq!(sequences, (3..643).collect::<Vec<_>>());
}

pub(crate) async fn a_repeat_gets_the_first_answer(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let first = boxes.execute(&box_id(), say("ann", "hello"), keyed("ann", "k1", "hello")).await.unwrap();
    let again = boxes.execute(&box_id(), say("ann", "hello"), keyed("ann", "k1", "hello")).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!((first.sequence, &first.position), (again.sequence, &again.position));
    assert_eq!(first.events[0], again.events[0]);
    let other = boxes.execute(&box_id(), say("ann", "bye"), keyed("ann", "k1", "bye")).await;
    assert!(matches!(other, Err(CommandError::KeyReused)), "{other:?}");
    // The key is in Ann's scope. Bob's is another one.
    boxes.execute(&box_id(), join("bob"), by("bob")).await.unwrap();
    let bobs = boxes.execute(&box_id(), say("bob", "hello"), keyed("bob", "k1", "hello")).await.unwrap();
    assert!(!bobs.replayed && bobs.sequence > first.sequence);
}

pub(crate) async fn a_repeat_gets_the_first_answer_in_a_changed_room(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    boxes.execute(&box_id(), join("bob"), keyed("bob", "join", "")).await.unwrap();
    let said = boxes.execute(&box_id(), say("bob", "hello"), keyed("bob", "say", "hello")).await.unwrap();
    boxes.execute(&box_id(), leave("bob"), by("bob")).await.unwrap();
    boxes.execute(&box_id(), close("ann"), by("ann")).await.unwrap();
    // The repeat succeeds in this process, and in one that was started later.
    for boxes in [boxes, executor::<DeliveryBox>(&log)] {
        let again = boxes.execute(&box_id(), say("bob", "hello"), keyed("bob", "say", "hello")).await.unwrap();
        assert_eq!((again.sequence, again.replayed), (said.sequence, true));
        let again = boxes.execute(&box_id(), join("bob"), keyed("bob", "join", "")).await.unwrap();
        assert_eq!((again.sequence, again.replayed), (3, true));
        let new = boxes.execute(&box_id(), say("bob", "hello"), keyed("bob", "say2", "hello")).await;
        assert!(matches!(new, Err(CommandError::Refused(BoxRefusal::RoomClosed))), "{new:?}");
    }
}

pub(crate) async fn concurrent_repeats_are_executed_once(log: Arc<impl Log>) {
    let processes = [executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log)];
    open_room(&processes[0]).await;
    let mut repeats = JoinSet::new();
    for index in 0..40 {
        let boxes = processes[index % 2].clone();
        repeats.spawn(async move {
            let said = boxes.execute(&box_id(), say("ann", "hello"), keyed("ann", "k1", "hello")).await.unwrap();
            let came = boxes.execute(&box_id(), join("bob"), keyed("bob", "k1", "")).await.unwrap();
            (said.sequence, came.sequence)
        });
    }
    let answers = repeats.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(log.state(stream()).await.unwrap().last_sequence, 4);
}

pub(crate) async fn a_stale_cache_causes_no_refusal(log: Arc<impl Log>) {
    let processes = [executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log)];
    open_room(&processes[0]).await;
    for turn in 0..50 {
        let name = format!("user{turn}");
        let (one, other) = (&processes[turn % 2], &processes[(turn + 1) % 2]);
        one.execute(&box_id(), join(&name), by(&name)).await.unwrap();
        // The other process may not have read it yet.
        other.execute(&box_id(), say(&name, "hello"), by(&name)).await.unwrap();
        one.execute(&box_id(), leave(&name), by(&name)).await.unwrap();
        let late = other.execute(&box_id(), say(&name, "hello?"), by(&name)).await;
        assert!(matches!(late, Err(CommandError::Refused(BoxRefusal::NotAMember))), "{late:?}");
    }
}

pub(crate) async fn the_events_yield_the_state_stored_with_the_commits(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    for name in ["bob", "eve", "dan"] {
        boxes.execute(&box_id(), join(name), by(name)).await.unwrap();
        boxes.execute(&box_id(), say(name, "hi"), by(name)).await.unwrap();
    }
    boxes.execute(&box_id(), leave("ann"), by("ann")).await.unwrap();
    let (carried, version) = boxes.load_latest(&box_id()).await.unwrap();
    // The same commit again, with a state of an unknown version.
    let subject = format!("box.{}.b1.room", partition_of(&box_id(), 4));
    let last = log.last(stream(), &subject, Freshness::Leader).await.unwrap().unwrap();
    let payload = String::from_utf8(last.payload.to_vec()).unwrap();
    let newer = payload.replace(r#""state":{"version":2,"#, r#""state":{"version":99,"#);
    assert_ne!(payload, newer);
    let events = r#"{"version":1,"type":"box_returned_to_service","data":{}}"#;
    let end = newer.find(r#"],"state""#).unwrap();
    let newer = format!(r#"{{"events":[{events}{}"#, &newer[end..]);
    let sequence = stored(&log, event_store::log::NewMessage { stream: stream(), ..message(&subject, &newer) }).await;
    let (folded, newest) = executor::<DeliveryBox>(&log).load_latest(&box_id()).await.unwrap();
    assert_eq!((newest, *folded == *carried), (sequence, true), "{folded:?} is not {carried:?} of {version}");
}

/// A release without private boxes stored no kind of the box.
pub(crate) async fn a_state_without_a_kind_is_folded(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let (carried, _) = boxes.load_latest(&box_id()).await.unwrap();
    let subject = format!("box.{}.b1.room", partition_of(&box_id(), 4));
    let last = log.last(stream(), &subject, Freshness::Leader).await.unwrap().unwrap();
    let payload = String::from_utf8(last.payload.to_vec()).unwrap();
    let older = payload.replace(r#""state":{"version":2,"#, r#""state":{"version":1,"#);
    let older = older.replace(r#""kind":"shared",""#, "\"");
    assert_eq!(payload.len() - older.len(), r#""kind":"shared","#.len());
    let event = r#"{"version":1,"type":"box_returned_to_service","data":{}}"#;
    let end = older.find(r#"],"state""#).unwrap();
    let older = format!(r#"{{"events":[{event}{}"#, &older[end..]);
    let sequence = stored(&log, event_store::log::NewMessage { stream: stream(), ..message(&subject, &older) }).await;
    for boxes in [executor::<DeliveryBox>(&log), boxes] {
        let (folded, version) = boxes.load_latest(&box_id()).await.unwrap();
        assert!(folded.is_complete(), "{folded:?}");
        assert_eq!((version, *folded == *carried), (sequence, true), "{folded:?} is not {carried:?}");
    }
}

pub(crate) async fn commits_name_actor_and_time(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    let mut context = keyed("ops", "key-1", "body");
    context.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    boxes.execute(&box_id(), install(), context).await.unwrap();
    let recorded = log.get(stream(), 1, Freshness::Leader).await.unwrap().unwrap();
    assert_eq!(recorded.header(header::EVENT_TYPES), Some("box_installed"));
    let commit = event_store::RecordedCommit::parse(&recorded).unwrap();
    assert_eq!((commit.command_id.as_deref(), commit.actor.as_str(), commit.at), (Some("key-1"), "ops", noon()));
    assert!(commit.traceparent.is_some() && !commit.commit_id.is_empty());
    assert!(matches!(commit.decode(), Ok(event_store::Decoded::Box(events)) if events.len() == 1));
}

pub(crate) async fn an_undecodable_event_is_passed_to_the_reader(log: Arc<impl Log>) {
    let message = message("box.0.b1.room", r#"{"events":[{"type":"box_exploded","version":1,"data":{}}]}"#);
    attempt(&log, message).await;
    let mut follower = event_store::follow(log, super::STREAM, 1).await.unwrap();
    let batch = follower.next_batch(10, 1 << 20).await.unwrap();
    assert!(batch.commits[0].decode().is_err(), "the follower returns it");
}

/// A commit of a newer release, without a readable state.
fn from_the_future(lane: &str) -> event_store::log::NewMessage {
    let partition = partition_of(&box_id(), 4);
    let payload = r#"{"events":[{"type":"box_exploded","version":1,"data":{}}]}"#;
    event_store::log::NewMessage { stream: stream(), ..message(&format!("box.{partition}.b1.{lane}"), payload) }
}

pub(crate) async fn a_box_continues_after_an_undecodable_event(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    stored(&log, from_the_future("talk")).await;
    for boxes in [boxes, executor(&log)] {
        boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap();
        assert!(boxes.caught_up());
    }
}

pub(crate) async fn a_box_with_an_unreadable_state_accepts_commands_again_once_the_event_is_dropped(
    log: Arc<impl Log>,
) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let sequence = EventSequence::new(stored(&log, from_the_future("room")).await);
    let boxes = executor::<DeliveryBox>(&log);
    let refused = boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await;
    assert!(matches!(refused, Err(CommandError::Corrupt { .. })), "{refused:?}");
    let commit = boxes.commit_of(&box_id(), sequence).await.unwrap();
    assert_eq!(commit, Some(sequence));
    let reason = || "a test".to_owned().try_into().unwrap();
    let give_up = domain::BoxCommand::Box(domain::OwnCommand::DropEvent { commit, reason: reason() });
    let first = boxes.execute(&box_id(), give_up.clone(), keyed("ops", "drop", "")).await.unwrap();
    let again = executor::<DeliveryBox>(&log).execute(&box_id(), give_up, keyed("ops", "drop", "")).await.unwrap();
    assert_eq!((again.sequence, again.replayed), (first.sequence, true));
    for boxes in [boxes, executor(&log)] {
        boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap();
    }
}

pub(crate) async fn only_an_event_of_the_box_can_be_dropped(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let partition = partition_of(&box_id(), 4);
    let of_another =
        event_store::log::NewMessage { stream: stream(), ..message(&format!("box.{partition}.b9.talk"), "{}") };
    let sequence = stored(&log, of_another).await;
    for absent in [sequence, sequence + 1] {
        assert_eq!(boxes.commit_of(&box_id(), EventSequence::new(absent)).await.unwrap(), None);
    }
    assert!(boxes.commit_of(&box_id(), EventSequence::new(1)).await.unwrap().is_some());
}
