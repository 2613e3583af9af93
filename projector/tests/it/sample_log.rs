//! A log with commits of every kind, written by executing commands.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{BoxCommand, BoxId, DeliveryBox, EventSequence, MessageId, OwnCommand, RoomId, Store, User};
use event_store::{Committed, Executor, ExecutorOptions, Log, Marks};
use testing::commands::{by, install_box, open, post, register_store, register_user, user};

use crate::world::PARTITIONS;

/// Executors of all aggregates on one log.
pub(crate) struct SampleLog {
    pub(crate) log: Arc<dyn Log>,
    boxes: Executor<DeliveryBox>,
    users: Executor<User>,
    stores: Executor<Store>,
}

impl SampleLog {
    pub(crate) fn on(log: Arc<dyn Log>) -> Self {
        let options =
            ExecutorOptions { partitions: PARTITIONS, idempotency_window: TimeDelta::hours(24), cached_states: 100 };
        Self {
            boxes: Executor::start(Arc::clone(&log), options),
            users: Executor::start(Arc::clone(&log), options),
            stores: Executor::start(Arc::clone(&log), options),
            log,
        }
    }

    async fn execute(&self, box_id: &BoxId, actor: &str, command: BoxCommand) -> Committed<DeliveryBox> {
        self.boxes.execute(box_id, command, by(actor)).await.expect("the box accepts the command")
    }

    /// Drops an event of a box as an operator.
    pub(crate) async fn drop_event(&self, box_id: &str, sequence: u64) -> Committed<DeliveryBox> {
        let box_id = parsed(box_id);
        let commit = self.boxes.commit_of(&box_id, EventSequence::new(sequence)).await.expect("an answer");
        let reason = "a test".to_owned().try_into().expect("a reason");
        self.execute(&box_id, "ops", BoxCommand::Box(OwnCommand::DropEvent { commit, reason })).await
    }

    /// Registers a store and two users.
    pub(crate) async fn settle(&self) {
        let store_id = "s1".parse().expect("a store id");
        self.stores.execute(&store_id, register_store("s1"), by("ops")).await.expect("the store is registered");
        for id in ["ann", "bob"] {
            let register = register_user(id, &id.to_uppercase());
            self.users.execute(&user(id), register, by(id)).await.expect("the user is registered");
        }
    }

    /// Installs a box and opens its room `<box>.1` for ann.
    pub(crate) async fn open(&self, box_id: &str) {
        let box_id = parsed(box_id);
        self.execute(&box_id, "ops", install_box(box_id.clone())).await;
        self.execute(&box_id, "ann", open("ann")).await;
    }

    /// Posts a message of ann in a box's first room.
    pub(crate) async fn say(&self, box_id: &str, body: &str) -> Committed<DeliveryBox> {
        let box_id = parsed(box_id);
        let room_id = RoomId::new(box_id.clone(), 1);
        self.execute(&box_id, "ann", post(room_id, "ann", body)).await
    }

    /// Marks a message as read by ann.
    pub(crate) async fn mark(&self, box_id: &str, message: u64) {
        let marks = Marks::new(Arc::clone(&self.log), PARTITIONS);
        let room_id = RoomId::new(parsed(box_id), 1);
        marks.mark(&room_id, &user("ann"), MessageId::new(message), &by("ann")).await.expect("marked");
    }

    /// Opens a room on a new box and fills it with a conversation.
    pub(crate) async fn meet(&self, box_id: &str) {
        self.open(box_id).await;
        let mut last = 0;
        for n in 0..20 {
            last = self.say(box_id, &format!("message {n}")).await.sequence;
        }
        for message in [last - 1, last] {
            self.mark(box_id, message).await;
        }
    }
}

fn parsed(box_id: &str) -> BoxId {
    box_id.parse().expect("a box id")
}
