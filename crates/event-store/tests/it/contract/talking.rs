//! Tests of commands on messages, which are decided on the talk state of their room.

use std::sync::Arc;

use domain::{BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, MessageId, TalkCommand, TalkEvent, delivery_box};
use event_store::{CommandError, Executor, Log};
use testing::{
    commands::{Answer, box_id, by, close, executor, join, keyed, noon, open, open_room, post, say, user},
    wait::until,
};
use tokio::task::JoinSet;
use wire::{StreamName, partition_of};

type Boxes = Executor<DeliveryBox>;

/// The kinds of commands on a message.
#[derive(Debug, Clone, Copy)]
enum On<'a> {
    Edit(&'a str),
    Delete,
    React(&'a str),
    TakeBack(&'a str),
    Reply,
}

async fn command(boxes: &Boxes, name: &str, message: u64, on: On<'_>) -> BoxCommand {
    let original = boxes.message(&box_id(), MessageId::new(message)).await.unwrap();
    let room_id = original.as_ref().unwrap().room_id.clone();
    let (by, at, text) = (user(name), noon(), |text: &str| text.to_owned());
    match on {
        On::Edit(body) => TalkCommand::EditMessage { by, original, body: text(body).try_into().unwrap(), at },
        On::Delete => TalkCommand::DeleteMessage { by, original, at },
        On::React(emoji) => {
            TalkCommand::AddReaction { user_id: by, original, emoji: text(emoji).try_into().unwrap(), at }
        }
        On::TakeBack(emoji) => {
            TalkCommand::RemoveReaction { user_id: by, original, emoji: text(emoji).try_into().unwrap(), at }
        }
        On::Reply => {
            let body = text("yes").try_into().unwrap();
            TalkCommand::PostMessage { author: by, body, reply_to: Some(original), at }
        }
    }
    .in_room(room_id)
}

/// Executes a command of ann on a message, without a key.
async fn execute(boxes: &Boxes, message: u64, on: On<'_>) -> Answer {
    boxes.execute(&box_id(), command(boxes, "ann", message, on).await, by("ann")).await
}

async fn said(boxes: &Boxes) -> u64 {
    boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap().sequence
}

fn has_effect(answer: &Answer) -> bool {
    answer.as_ref().is_ok_and(|committed| !committed.events.is_empty())
}

fn is_deleted(answer: &Answer) -> bool {
    matches!(answer, Err(CommandError::Refused(BoxRefusal::MessageDeleted)))
}

/// Waits until the tail of a process has read a sequence of the box.
async fn read(boxes: &Boxes, sequence: u64) {
    let stream = StreamName::Box(partition_of(&box_id(), 4));
    let behind = || boxes.tails().iter().any(|(of, state)| *of == stream && state.sequence < sequence);
    until("the tail reads on", async || !behind()).await;
}

pub(crate) async fn a_deletion_by_another_process_is_known(log: Arc<impl Log>) {
    let (one, other) = (executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log));
    open_room(&one).await;
    for is_warm in [false, true] {
        let message = said(&one).await;
        if is_warm {
            execute(&other, message, On::React("👍")).await.unwrap();
        }
        let deleted = execute(&one, message, On::Delete).await.unwrap();
        read(&other, deleted.sequence).await;
        for boxes in [&one, &other] {
            for on in [On::Edit("bye"), On::React("🎉"), On::Reply] {
                let answer = execute(boxes, message, on).await;
                assert!(is_deleted(&answer), "{on:?}: {answer:?}");
            }
            for on in [On::Delete, On::TakeBack("👍")] {
                let answer = execute(boxes, message, on).await.unwrap();
                assert!(answer.events.is_empty() && answer.sequence >= deleted.sequence, "{on:?}: {answer:?}");
            }
        }
    }
}

pub(crate) async fn an_edit_without_a_change_is_decided_on_the_newest_text(log: Arc<impl Log>) {
    let (one, other) = (executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log));
    open_room(&one).await;
    let message = said(&one).await;
    assert!(!has_effect(&execute(&other, message, On::Edit(" hello ")).await));
    for turn in 0..30 {
        let body = format!("turn {turn}");
        assert!(has_effect(&execute(&one, message, On::Edit(&body)).await));
        // The other process may not have read it yet, and knows another text.
        assert!(!has_effect(&execute(&other, message, On::Edit(&body)).await));
        assert!(has_effect(&execute(&one, message, On::Edit("hello")).await));
        assert!(has_effect(&execute(&other, message, On::Edit(&body)).await));
    }
}

pub(crate) async fn repeats_of_commands_on_messages_get_the_first_answer(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let message = said(&boxes).await;
    let edit = command(&boxes, "ann", message, On::Edit("bye")).await;
    let again = command(&boxes, "ann", message, On::Edit("bye")).await;
    let first = boxes.execute(&box_id(), edit.clone(), keyed("ann", "edit", "")).await.unwrap();
    let unchanged = boxes.execute(&box_id(), again.clone(), keyed("ann", "again", "")).await.unwrap();
    assert!(!first.events.is_empty() && unchanged.events.is_empty() && unchanged.sequence > first.sequence);
    execute(&boxes, message, On::Delete).await.unwrap();
    for boxes in [boxes, executor(&log)] {
        let repeat = boxes.execute(&box_id(), edit.clone(), keyed("ann", "edit", "")).await.unwrap();
        assert_eq!((repeat.sequence, repeat.replayed), (first.sequence, true));
        let repeat = boxes.execute(&box_id(), again.clone(), keyed("ann", "again", "")).await.unwrap();
        assert_eq!((repeat.sequence, repeat.replayed, repeat.events.len()), (unchanged.sequence, true, 0));
        let late = boxes.execute(&box_id(), edit.clone(), keyed("ann", "late", "")).await;
        assert!(is_deleted(&late), "{late:?}");
    }
}

pub(crate) async fn concurrent_reactions_exceed_the_limit_by_those_in_flight_only(log: Arc<impl Log>) {
    const IN_FLIGHT: usize = 8;
    let processes = [executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log)];
    open_room(&processes[0]).await;
    let message = said(&processes[0]).await;
    let mut workers = JoinSet::new();
    for worker in 0..IN_FLIGHT {
        let boxes = processes[worker % 2].clone();
        let name = format!("user{worker}");
        boxes.execute(&box_id(), join(&name), by(&name)).await.unwrap();
        workers.spawn(async move {
            let mut stored = 0;
            for number in 0..delivery_box::MAX_OWN_REACTIONS {
                let on = format!(":code_{worker}_{number}:");
                let react = command(&boxes, &name, message, On::React(&on)).await;
                match boxes.execute(&box_id(), react, by(&name)).await {
                    Ok(committed) => stored += committed.events.len(),
                    Err(CommandError::Refused(BoxRefusal::TooManyReactions)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            stored
        });
    }
    let stored: usize = workers.join_all().await.into_iter().sum();
    let limit = delivery_box::MAX_REACTIONS;
    assert!((limit..limit + IN_FLIGHT).contains(&stored), "{stored}");
    for boxes in processes {
        let late = execute(&boxes, message, On::React("👍")).await;
        assert!(matches!(late, Err(CommandError::Refused(BoxRefusal::TooManyReactions))), "{late:?}");
    }
}

pub(crate) async fn a_user_reacts_once_with_an_emoji(log: Arc<impl Log>) {
    let (one, other) = (executor::<DeliveryBox>(&log), executor::<DeliveryBox>(&log));
    open_room(&one).await;
    let message = said(&one).await;
    for _ in 0..3 {
        assert!(has_effect(&execute(&one, message, On::React("👍")).await));
        assert!(!has_effect(&execute(&other, message, On::React("👍")).await));
        assert!(has_effect(&execute(&other, message, On::TakeBack("👍")).await));
        assert!(!has_effect(&execute(&one, message, On::TakeBack("👍")).await));
    }
}

pub(crate) async fn a_talk_state_is_that_of_the_open_room(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let old = said(&boxes).await;
    execute(&boxes, old, On::React("👍")).await.unwrap();
    let late = command(&boxes, "ann", old, On::Delete).await;
    boxes.execute(&box_id(), close("ann"), by("ann")).await.unwrap();
    boxes.execute(&box_id(), open("ann"), by("ann")).await.unwrap();
    let second = domain::RoomId::new(box_id(), 2);
    let message = boxes.execute(&box_id(), post(second, "ann", "hi"), by("ann")).await.unwrap().sequence;
    for boxes in [&boxes, &executor(&log)] {
        assert!(matches!(
            boxes.execute(&box_id(), late.clone(), by("ann")).await,
            Err(CommandError::Refused(BoxRefusal::RoomClosed))
        ));
        assert!(has_effect(&execute(boxes, message, On::React("👍")).await));
        assert!(has_effect(&execute(boxes, message, On::TakeBack("👍")).await));
    }
    let edited = execute(&boxes, message, On::Edit("bye")).await.unwrap();
    let expected = TalkEvent::MessageEdited {
        message_id: MessageId::new(message),
        body: "bye".into(),
        mentions: Some(vec![]),
        mentions_all: false,
    };
    assert_eq!(edited.events, [BoxEvent::Talk { room_id: domain::RoomId::new(box_id(), 2), event: expected }]);
}
