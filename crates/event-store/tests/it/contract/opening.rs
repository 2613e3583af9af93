//! Tests of claims on slots for open rooms.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{BoxId, DeliveryBox, RoomCommand, RoomId};
use event_store::{
    CommandContext, CommandError, EventStoreError, Executor, Log, OpenerClaims, executor::Preparation, log::Freshness,
};
use futures::FutureExt;
use testing::commands::{Answer, by, executor, install_box, open, user};
use tokio::task::JoinSet;
use wire::{StreamName, subject};

/// A process that opens rooms under claims.
#[derive(Clone)]
struct Process {
    boxes: Arc<Executor<DeliveryBox>>,
    openers: Arc<OpenerClaims>,
    slots: u16,
}

fn process(log: &Arc<impl Log>, slots: u16) -> Process {
    let shared: Arc<dyn Log> = log.clone();
    Process { boxes: executor(log), openers: Arc::new(OpenerClaims::new(shared, 4)), slots }
}

impl Process {
    async fn install(&self, box_id: &str) {
        let box_id: BoxId = box_id.parse().unwrap();
        self.boxes.execute(&box_id, install_box(box_id.clone()), by("ops")).await.unwrap();
    }

    /// Opens a room on a box.
    async fn open(&self, host: &str, box_id: &str) -> Answer {
        let prepare: &Preparation<'_, DeliveryBox> = &|events| {
            let room_id = events.iter().find_map(|event| event.room_id().cloned()).unwrap();
            let claim = async move |room_id| self.claim(&room_id, &by(host)).await;
            async move { claim(room_id).await.then_some(()).ok_or(EventStoreError::NotPrepared) }.boxed()
        };
        self.boxes.execute_prepared(&box_id.parse().unwrap(), open(host), by(host), prepare).await
    }

    async fn claim(&self, room_id: &RoomId, context: &CommandContext) -> bool {
        self.openers.claim(&context.actor, room_id, self.slots, context).await.unwrap()
    }

    async fn command(&self, room_id: &RoomId, command: RoomCommand, actor: &str) {
        let command = command.in_room(room_id.clone());
        self.boxes.execute(room_id.box_id(), command, by(actor)).await.unwrap();
    }
}

fn has_no_slot(answer: &Answer) -> bool {
    matches!(answer, Err(CommandError::NotPrepared))
}

fn room(text: &str) -> RoomId {
    text.parse().unwrap()
}

pub(crate) async fn a_user_opens_as_many_of_many_rooms_as_there_are_slots(log: Arc<impl Log>) {
    for slots in [1, 3] {
        let processes = [process(&log, slots), process(&log, slots)];
        let host = format!("host-{slots}");
        let boxes: Vec<String> = (0..30).map(|number| format!("b{slots}-{number}")).collect();
        for box_id in &boxes {
            processes[0].install(box_id).await;
        }
        let mut openings = JoinSet::new();
        for (number, box_id) in boxes.into_iter().enumerate() {
            let (process, host) = (processes[number % 2].clone(), host.clone());
            openings.spawn(async move { process.open(&host, &box_id).await });
        }
        let answers = openings.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), usize::from(slots), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| has_no_slot(answer)).count(), 30 - usize::from(slots));
    }
}

pub(crate) async fn a_slot_is_free_when_its_room_is_closed_or_has_another_host(log: Arc<impl Log>) {
    let process = process(&log, 1);
    for box_id in ["b1", "b2", "b3"] {
        process.install(box_id).await;
    }
    let at = testing::commands::noon();
    process.open("ann", "b1").await.unwrap();
    assert!(has_no_slot(&process.open("ann", "b2").await));
    process.open("bob", "b2").await.unwrap();
    process.command(&room("b1.1"), RoomCommand::CloseRoom { by: user("ann"), at }, "ann").await;
    process.open("ann", "b1").await.unwrap();
    assert!(has_no_slot(&process.open("ann", "b3").await));

    let password = domain::delivery_box::PasswordProof::Missing;
    process
        .command(&room("b1.2"), RoomCommand::JoinRoom { user_id: user("eve"), password, invitation: None, at }, "eve")
        .await;
    process.command(&room("b1.2"), RoomCommand::TransferHost { by: user("ann"), to: user("eve"), at }, "ann").await;
    process.open("ann", "b3").await.unwrap();
}

pub(crate) async fn a_claim_without_its_room_expires(log: Arc<impl Log>) {
    let process = process(&log, 1);
    process.install("b1").await;
    process.install("b2").await;
    // The process stops between the claim and the opening.
    assert!(process.claim(&room("b1.1"), &by("ann")).await);
    assert!(has_no_slot(&process.open("ann", "b2").await));
    let subject = subject::opener_claim(&user("ann"), 0);
    let claimed_at = log.last(StreamName::User, &subject, Freshness::Leader).await.unwrap().unwrap().stored_at;
    let later = |seconds| CommandContext { at: claimed_at + TimeDelta::seconds(seconds), ..by("ann") };
    assert!(!process.claim(&room("b2.1"), &later(80)).await);
    assert!(process.claim(&room("b2.1"), &later(100)).await);
    // A repeat claims the same room again.
    assert!(process.claim(&room("b2.1"), &by("ann")).await);
    process.open("ann", "b2").await.unwrap();
}

pub(crate) async fn a_claim_on_a_room_that_another_user_has_opened_is_free(log: Arc<impl Log>) {
    let process = process(&log, 1);
    process.install("b1").await;
    process.install("b2").await;
    assert!(process.claim(&room("b1.1"), &by("ann")).await);
    process.open("bob", "b1").await.unwrap();
    process.open("ann", "b2").await.unwrap();
}
