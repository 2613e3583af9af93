//! A log with commits of every kind, written by executing commands.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    BoxCommand, BoxId, DeliveryBox, EventSequence, MessageId, OwnCommand, RoomId, Store, StoreCommand, TalkCommand,
    User, UserCommand, UserId,
    values::{BoxKind, Coordinates, MaxMembers},
};
use event_store::{ActorRole, CommandContext, Committed, Executor, ExecutorOptions, Log, Marks, RequestHash};

use crate::{
    story::{time, user},
    world::PARTITIONS,
};

/// Executors of all aggregates on one log.
pub(crate) struct Town {
    pub(crate) log: Arc<dyn Log>,
    boxes: Executor<DeliveryBox>,
    users: Executor<User>,
    stores: Executor<Store>,
}

impl Town {
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

    async fn order(&self, box_id: &BoxId, actor: &UserId, command: BoxCommand) -> Committed<DeliveryBox> {
        self.boxes.execute(box_id, command, context(actor)).await.expect("the box does it")
    }

    /// Drops an event of a box as an operator.
    pub(crate) async fn give_up(&self, box_id: &str, sequence: u64) -> Committed<DeliveryBox> {
        let box_id: BoxId = box_id.parse().expect("a box id");
        let commit = self.boxes.commit_of(&box_id, EventSequence::new(sequence)).await.expect("an answer");
        let reason = "a test".to_owned().try_into().expect("a reason");
        self.order(&box_id, &user("ops"), BoxCommand::Box(OwnCommand::DropEvent { commit, reason })).await
    }

    /// Registers a store and two users.
    pub(crate) async fn settle(&self) {
        let store_id = "s1".parse().expect("a store id");
        let register = StoreCommand::RegisterStore {
            store_id: "s1".parse().expect("a store id"),
            name: "Thai".to_owned().try_into().expect("a name"),
            zip_code: "04109".to_owned().try_into().expect("a zip code"),
            category: None,
        };
        self.stores.execute(&store_id, register, context(&user("ops"))).await.expect("the store is registered");
        for id in ["ann", "bob"] {
            let nickname = id.to_uppercase().try_into().expect("a nickname");
            let register = UserCommand::RegisterUser { user_id: user(id), nickname };
            self.users.execute(&user(id), register, context(&user(id))).await.expect("the user is registered");
        }
    }

    /// Installs a box and opens its room `<box>.1` for ann.
    pub(crate) async fn open(&self, box_id: &str) {
        let box_id: BoxId = box_id.parse().expect("a box id");
        let install = BoxCommand::Box(OwnCommand::InstallBox {
            box_id: box_id.clone(),
            kind: BoxKind::Shared,
            zip_code: "04109".to_owned().try_into().expect("a zip code"),
            address: "Market 1".to_owned().try_into().expect("an address"),
            detailed_address: "left".to_owned().try_into().expect("an address"),
            coordinates: Coordinates::new(1.5, 2.5).expect("a place"),
        });
        self.order(&box_id, &user("ops"), install).await;
        let open = BoxCommand::Box(OwnCommand::OpenRoom {
            host: user("ann"),
            store_id: "s1".parse().expect("a store id"),
            store_open: true,
            title: "Noodles".to_owned().try_into().expect("a title"),
            max_members: MaxMembers::try_from(4).expect("a number"),
            password_hash: None,
            at: time(0),
            lifetime: TimeDelta::hours(3),
        });
        self.order(&box_id, &user("ann"), open).await;
    }

    /// Posts a message of ann in a box's first room.
    pub(crate) async fn say(&self, box_id: &str, body: &str) -> Committed<DeliveryBox> {
        let box_id: BoxId = box_id.parse().expect("a box id");
        let post = TalkCommand::PostMessage {
            author: user("ann"),
            body: body.to_owned().try_into().expect("a body"),
            reply_to: None,
            at: time(0),
        }
        .in_room(RoomId::new(box_id.clone(), 1));
        self.order(&box_id, &user("ann"), post).await
    }

    /// Marks a message as read by ann.
    pub(crate) async fn mark(&self, box_id: &str, message: u64) {
        let marks = Marks::new(Arc::clone(&self.log), PARTITIONS);
        let room_id = RoomId::new(box_id.parse().expect("a box id"), 1);
        let ann = user("ann");
        marks.mark(&room_id, &ann, MessageId::new(message), &context(&ann)).await.expect("marked");
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

fn context(actor: &UserId) -> CommandContext {
    CommandContext {
        command_id: None,
        request_hash: RequestHash::keyed(b"secret", &[]),
        actor: actor.clone(),
        role: ActorRole::User,
        at: time(0),
        traceparent: None,
    }
}
