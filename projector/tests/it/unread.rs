//! Unread counts: checked with random histories against a recount, projected as they happen and rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use domain::{BoxEvent, MessageId, RoomClosedReason, RoomEvent};
use projector::{Content, Projection, ProjectionMode, project_and_release};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use wire::StreamName;

use crate::{
    story::{Story, commits_of, deleted, edited, erased, installed, joined, left, opened, posted, room, user},
    world::{BOXES, World, checkpoint, origins, rows},
};

const USERS: [&str; 4] = ["ann", "bob", "cleo", "dan"];

const COUNTS: &str = "select c.user_id, c.room_id, c.unread, c.read_up_to from unread_counts c order by 2, 1";

/// What the users do.
#[derive(Debug, Clone)]
enum Step {
    Post(usize),
    Edit(usize),
    Delete(usize),
    Mark(usize, usize),
    Join(usize),
    Leave(usize),
    Kick(usize),
    Erase(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (who, message) = (|| 0..USERS.len(), || 0..60_usize);
    prop_oneof![
        12 => who().prop_map(Step::Post),
        2 => message().prop_map(Step::Edit),
        5 => message().prop_map(Step::Delete),
        6 => (who(), message()).prop_map(|(who, message)| Step::Mark(who, message)),
        3 => who().prop_map(Step::Join),
        2 => who().prop_map(Step::Leave),
        1 => who().prop_map(Step::Kick),
        1 => who().prop_map(Step::Erase),
        1 => Just(Step::Reopen),
    ]
}

/// A message of the model: its id, its author, and true if it was deleted.
type Message = (u64, usize, bool);

/// The rooms of one box, counted naively.
struct Model {
    boxes: Story,
    markers: Story,
    number: usize,
    inside: BTreeSet<usize>,
    /// Everybody who was ever inside a room, and the room's messages.
    rooms: BTreeMap<usize, (BTreeSet<usize>, Vec<Message>)>,
    marked: BTreeMap<(usize, usize), u64>,
}

impl Model {
    fn new() -> Self {
        let (boxes, markers) = (Story::new(), Story::new());
        let (inside, rooms, marked) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let mut model = Self { boxes, markers, number: 0, inside, rooms, marked };
        model.boxes.happens("b1", "ops", [installed("b1")]);
        model.open();
        model
    }

    fn room_id(&self) -> String {
        format!("b1.{}", self.number)
    }

    fn messages(&mut self) -> &mut Vec<Message> {
        &mut self.rooms.entry(self.number).or_default().1
    }

    fn happens(&mut self, who: usize, event: BoxEvent) -> u64 {
        self.boxes.happens("b1", USERS[who], [event])
    }

    fn open(&mut self) {
        self.number += 1;
        self.inside = BTreeSet::from([0]);
        self.rooms.insert(self.number, (self.inside.clone(), Vec::new()));
        let room_id = self.room_id();
        self.happens(0, opened(&room_id, USERS[0]));
    }

    fn take(&mut self, step: &Step) {
        let room_id = self.room_id();
        match *step {
            Step::Post(who) if self.inside.contains(&who) => {
                let id = self.happens(who, posted(&room_id, USERS[who], "soup", None));
                self.messages().push((id, who, false));
            }
            Step::Edit(message) => {
                if let Some(&(id, author, _)) = self.messages().get(message) {
                    self.happens(author, edited(&room_id, id, "more soup"));
                }
            }
            Step::Delete(message) => {
                if let Some((id, author, is_deleted)) = self.messages().get_mut(message) {
                    *is_deleted = true;
                    let (id, author) = (*id, *author);
                    // A second deletion has no effect.
                    self.happens(author, deleted(&room_id, id, USERS[author]));
                }
            }
            Step::Mark(who, message) if self.inside.contains(&who) => {
                let Some(&(id, ..)) = self.messages().get(message) else { return };
                let marked = self.marked.entry((self.number, who)).or_default();
                *marked = id.max(*marked);
                let message_id = MessageId::new(*marked);
                let content = Content::Mark { room_id: room(&room_id), user_id: user(USERS[who]), message_id };
                self.markers.add(USERS[who], content);
            }
            Step::Join(who) if self.inside.insert(who) => {
                self.rooms.entry(self.number).or_default().0.insert(who);
                self.happens(who, joined(&room_id, USERS[who]));
            }
            Step::Leave(who) if who != 0 && self.inside.remove(&who) => {
                self.happens(who, left(&room_id, USERS[who]));
            }
            Step::Kick(who) if who != 0 && self.inside.remove(&who) => {
                let kicked = RoomEvent::MemberKicked { user_id: user(USERS[who]), by: user(USERS[0]) };
                self.happens(0, kicked.in_room(room(&room_id)));
            }
            Step::Erase(who) => {
                self.boxes.happens("b1", "system", [erased(USERS[who])]);
            }
            Step::Reopen => {
                let closed = RoomEvent::RoomClosed { reason: RoomClosedReason::Host };
                self.happens(0, closed.in_room(room(&room_id)));
                self.open();
            }
            Step::Post(_) | Step::Mark(..) | Step::Join(_) | Step::Leave(_) | Step::Kick(_) => {}
        }
    }

    /// Returns the counts in the order of [`COUNTS`].
    fn recount(&self) -> Vec<Value> {
        let count = |number: usize, messages: &[Message], who: usize| {
            let marker = self.marked.get(&(number, who)).copied();
            let unread = messages
                .iter()
                .filter(|(id, author, is_deleted)| *id > marker.unwrap_or_default() && *author != who && !is_deleted);
            let room_id = format!("b1.{number}");
            json!({ "user_id": USERS[who], "room_id": room_id, "unread": unread.count(), "read_up_to": marker })
        };
        let mut all: Vec<Value> = self
            .rooms
            .iter()
            .flat_map(|(number, (users, messages))| users.iter().map(|who| count(*number, messages, *who)))
            .collect();
        all.sort_by_key(|row| (row["room_id"].to_string(), row["user_id"].to_string()));
        all
    }
}

/// Projects the commits of both streams in batches.
async fn project(connection: &mut PgConnection, model: &Model, mode: ProjectionMode, cut: usize) {
    let log = model.boxes.on_log().await;
    for (stream, commits) in [(StreamName::Mark, model.markers.commits.clone()), (BOXES, commits_of(&log).await)] {
        let mut projection = Projection::open(stream, mode, connection).await.expect("a projection");
        let mut at = checkpoint(connection, stream).await;
        for batch in commits.chunks(cut) {
            project_and_release(connection, &mut projection, &mut at, batch, log.as_ref()).await.expect("projected");
        }
    }
}

async fn compare(world: &World, steps: &[Step], cut: usize) {
    let mut model = Model::new();
    for step in steps {
        model.take(step);
    }
    crate::batches::reset(world).await;
    let expected = model.recount();
    for (generation, mode, cut) in [(2, ProjectionMode::Live, cut), (3, ProjectionMode::Building, cut * 5)] {
        let mut connection = world.database.generation(generation).await.expect("a connection");
        project(&mut connection, &model, mode, cut).await;
        assert_eq!(rows(&mut connection, COUNTS).await, expected, "{mode:?}");
    }
}

#[test]
fn unread_counts_equal_a_recount() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::start_from(&origins()));
    let mut runner =
        TestRunner::new(Config { cases: 16, max_shrink_iters: 30, failure_persistence: None, ..Config::default() });
    runner
        .run(&(vec(step(), 10..200), 1..40_usize), |(steps, cut)| {
            runtime.block_on(compare(&world, &steps, cut));
            Ok(())
        })
        .expect("the same counts");
}
