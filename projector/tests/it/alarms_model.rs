//! Alarms of random histories compared with a simple model, which looks at the whole history at the end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{RoomEvent, UserEvent};
use projector::{Projection, ProjectionMode, project_isolating_failures};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, raw_sql};
use wire::StreamName;

use crate::{
    story::{Story, deleted, erased, joined, left, posted, reacted, room, time, unreacted, user},
    world::{BOXES, World, checkpoint, origins, rows},
};

const USERS: [&str; 5] = ["ann", "bob", "cleo", "dan", "eve"];
const ROOM: &str = "b1.1";

/// Random numbers of one step: user, action, object, and the minutes since the step before.
type Dice = (u8, u8, u8, i64);

/// An alarm, or one reaction of an alarm.
struct Cause {
    user: &'static str,
    kind: &'static str,
    by: &'static str,
    message: Option<u64>,
    emoji: &'static str,
    position: u64,
    at: DateTime<Utc>,
    is_withdrawn: bool,
}

struct Message {
    id: u64,
    author: &'static str,
    is_deleted: bool,
    reactions: BTreeSet<(&'static str, &'static str)>,
}

/// A history, and all that has ever caused an alarm in it.
struct History {
    story: Story,
    now: DateTime<Utc>,
    inside: BTreeSet<&'static str>,
    erased: BTreeSet<&'static str>,
    messages: Vec<Message>,
    /// The time of the last message, or of the opening.
    silent_since: DateTime<Utc>,
    causes: Vec<Cause>,
    /// Positions up to which users read their alarms.
    reads: Vec<(&'static str, u64)>,
}

impl History {
    fn new() -> Self {
        let inside = BTreeSet::from(["ann", "bob", "cleo"]);
        let (story, erased) = (Story::of_three("b1"), BTreeSet::new());
        let (now, silent_since) = (time(4), time(0));
        Self { story, now, inside, erased, messages: vec![], silent_since, causes: vec![], reads: vec![] }
    }

    fn happens(&mut self, actor: &str, event: domain::BoxEvent) -> u64 {
        let position = self.story.happens("b1", actor, [event]);
        self.story.commits.last_mut().expect("a commit").at = self.now;
        position
    }

    fn alarm(&mut self, user: &'static str, kind: &'static str, by: &'static str, about: (Option<u64>, u64)) {
        if user != by && self.inside.contains(user) {
            let ((message, position), at) = (about, self.now);
            self.causes.push(Cause { user, kind, by, message, emoji: "", position, at, is_withdrawn: false });
        }
    }

    fn throw(&mut self, (who, what, about, minutes): Dice) {
        let actor = USERS[usize::from(who) % USERS.len()];
        let other = USERS[usize::from(about) % USERS.len()];
        self.now += TimeDelta::minutes(minutes);
        if self.erased.contains(actor) {
            return;
        }
        let is_inside = self.inside.contains(actor);
        let last = self.messages.len().checked_sub(1 + usize::from(about) % self.messages.len().max(1));
        match what % 16 {
            0 | 1 if !is_inside => {
                self.happens(actor, joined(ROOM, actor));
                self.inside.insert(actor);
            }
            0 => self.reads.push((actor, self.story.commits.len() as u64)),
            _ if !is_inside => {}
            1 if about.is_multiple_of(4) => {
                self.happens(actor, left(ROOM, actor));
                self.inside.remove(actor);
            }
            2 if about.is_multiple_of(4) && other != actor && self.inside.contains(other) => {
                let event = RoomEvent::MemberKicked { user_id: user(other), by: user(actor) };
                let position = self.happens(actor, event.in_room(room(ROOM)));
                self.alarm(other, "kicked", actor, (None, position));
                self.inside.remove(other);
            }
            3 if about.is_multiple_of(4) => self.erase(actor),
            4..=7 => self.post(actor, other, last.filter(|_| what % 2 == 0)),
            8 | 9 => self.delete(actor, last),
            10 | 11 => self.unreact(actor, about, last),
            _ => self.react(actor, about, last),
        }
    }

    fn post(&mut self, actor: &'static str, other: &'static str, reply_to: Option<usize>) {
        let original = reply_to.map(|index| (self.messages[index].id, self.messages[index].author));
        let body = format!("look, @{other}");
        let id = self.happens(actor, posted(ROOM, actor, &body, original.map(|(id, _)| id)));
        if let Some((_, author)) = original {
            self.alarm(author, "reply", actor, (Some(id), id));
        }
        self.alarm(other, "mention", actor, (Some(id), id));
        if self.now - self.silent_since >= TimeDelta::minutes(30) {
            let alarmed: BTreeSet<&str> =
                self.causes.iter().filter(|cause| cause.message == Some(id)).map(|cause| cause.user).collect();
            for user in USERS.into_iter().filter(|user| !alarmed.contains(user)) {
                self.alarm(user, "message_after_silence", actor, (Some(id), id));
            }
        }
        self.silent_since = self.now;
        self.messages.push(Message { id, author: actor, is_deleted: false, reactions: BTreeSet::new() });
    }

    fn delete(&mut self, actor: &'static str, message: Option<usize>) {
        let Some(message) = message.map(|index| &mut self.messages[index]).filter(|it| !it.is_deleted) else { return };
        message.is_deleted = true;
        let id = message.id;
        self.happens(actor, deleted(ROOM, id, actor));
        for cause in self.causes.iter_mut().filter(|cause| cause.message == Some(id)) {
            cause.is_withdrawn = true;
        }
    }

    fn react(&mut self, actor: &'static str, about: u8, message: Option<usize>) {
        let emoji = ["👍", "🍜"][usize::from(about / 8) % 2];
        let Some(message) = message.map(|index| &mut self.messages[index]).filter(|it| !it.is_deleted) else { return };
        let (id, author) = (message.id, message.author);
        if !message.reactions.insert((actor, emoji)) {
            return;
        }
        let position = self.happens(actor, reacted(ROOM, id, actor, emoji));
        let before = self.causes.len();
        self.alarm(author, "reaction", actor, (Some(id), position));
        self.causes.iter_mut().skip(before).for_each(|cause| cause.emoji = emoji);
    }

    fn unreact(&mut self, actor: &'static str, about: u8, message: Option<usize>) {
        let emoji = ["👍", "🍜"][usize::from(about / 8) % 2];
        let Some(message) = message.map(|index| &mut self.messages[index]).filter(|it| !it.is_deleted) else { return };
        let id = message.id;
        if !message.reactions.remove(&(actor, emoji)) {
            return;
        }
        self.happens(actor, unreacted(ROOM, id, actor, emoji));
        let of_reaction = |cause: &&mut Cause| cause.message == Some(id) && (cause.by, cause.emoji) == (actor, emoji);
        self.causes.iter_mut().filter(of_reaction).for_each(|cause| cause.is_withdrawn = true);
    }

    fn erase(&mut self, actor: &'static str) {
        self.happens(actor, left(ROOM, actor));
        self.happens("system", erased(actor));
        self.inside.remove(actor);
        self.erased.insert(actor);
        for cause in self.causes.iter_mut().filter(|cause| cause.by == actor && cause.message.is_some()) {
            cause.is_withdrawn = true;
        }
    }

    /// Returns the standing alarms, in the order of position, user and kind.
    fn standing(&self) -> Vec<Value> {
        let mut alarms: Vec<Vec<&Cause>> = Vec::new();
        let mut hours: BTreeMap<u64, usize> = BTreeMap::new();
        for cause in &self.causes {
            let of_message = cause.message.filter(|_| cause.kind == "reaction");
            let open = of_message.and_then(|id| hours.get(&id).copied());
            if let Some(index) = open.filter(|index| cause.at < alarms[*index][0].at + TimeDelta::hours(1)) {
                alarms[index].push(cause);
            } else {
                hours.extend(of_message.map(|id| (id, alarms.len())));
                alarms.push(vec![cause]);
            }
        }
        let mut standing: Vec<Value> = alarms.iter().filter_map(|causes| view(causes)).collect();
        standing
            .sort_by_key(|alarm| (alarm["position"].as_u64(), alarm["user_id"].to_string(), alarm["kind"].to_string()));
        standing
    }

    /// Returns the number of unread alarms of each user who has any.
    fn unread(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for alarm in self.standing() {
            let user = alarm["user_id"].as_str().expect("a user");
            let read = self.reads.iter().filter(|(reader, _)| *reader == user).map(|(_, up_to)| *up_to).max();
            if alarm["latest"].as_u64() > read.or(Some(0)) {
                *counts.entry(user.to_owned()).or_default() += 1;
            }
        }
        counts
    }
}

fn view(causes: &[&Cause]) -> Option<Value> {
    let standing: Vec<&&Cause> = causes.iter().filter(|cause| !cause.is_withdrawn).collect();
    let (first, last) = (causes.first()?, standing.last()?);
    let users: BTreeSet<&str> = standing.iter().map(|cause| cause.by).collect();
    Some(json!({
        "user_id": first.user, "kind": first.kind, "position": first.position, "by": last.by, "count": users.len(),
        "latest": last.position,
    }))
}

async fn compare(world: &World, dice: &[Dice], cuts: &[usize]) {
    let mut history = History::new();
    for throw in dice {
        history.throw(*throw);
    }
    let mut reads = Story::new();
    for (reader, sequence) in &history.reads {
        reads.user(reader, [UserEvent::AlarmsRead { up_to: BTreeMap::from([(BOXES.label(), *sequence)]) }]);
    }
    for (generation, mode) in [(2, ProjectionMode::Live), (3, ProjectionMode::Building)] {
        let mut control = world.database.control().await.expect("a connection");
        let drop = format!(
            "drop schema if exists read_g{generation} cascade;
             delete from control.generations where generation = {generation}"
        );
        raw_sql(AssertSqlSafe(drop)).execute(&mut control).await.expect("the schema is dropped");
        projector::generation::create(&world.database, generation, &origins()).await.expect("a generation");
        let mut connection = world.database.generation(generation).await.expect("a connection");
        for (stream, commits) in [(BOXES, &history.story.commits), (StreamName::User, &reads.commits)] {
            let mut projection = Projection::open(stream, mode, &mut connection).await.expect("a projection");
            let mut at = checkpoint(&mut connection, stream).await;
            let (mut rest, mut lengths) = (commits.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (batch, later) = rest.split_at((*lengths.next().expect("a length")).min(rest.len()));
                let changes = project_isolating_failures(&mut connection, &mut projection, &mut at, batch).await;
                changes.expect("projected");
                rest = later;
            }
        }
        let standing = "select user_id, kind, position, by, count, latest
            from alarms where withdrawn is null order by position, user_id, kind";
        assert_eq!(rows(&mut connection, standing).await, history.standing(), "generation {generation}");
        let unread = "select a.user_id, count(*) as unread
            from alarms a
            left join alarms_read r on r.user_id = a.user_id and r.stream = a.stream
            where a.withdrawn is null and a.latest > coalesce(r.up_to, 0)
            group by a.user_id order by 1";
        let expected = history.unread().into_iter().map(|(user, unread)| json!({ "user_id": user, "unread": unread }));
        assert_eq!(rows(&mut connection, unread).await, expected.collect::<Vec<_>>());
    }
}

#[test]
fn alarms_are_those_of_a_model_that_knows_the_whole_history() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::start());
    let mut runner =
        TestRunner::new(Config { cases: 16, max_shrink_iters: 50, failure_persistence: None, ..Config::default() });
    let dice = vec((any::<u8>(), any::<u8>(), any::<u8>(), 0..30_i64), 20..300);
    runner
        .run(&(dice, vec(1..30_usize, 1..6)), |(dice, cuts)| {
            runtime.block_on(compare(&world, &dice, &cuts));
            Ok(())
        })
        .expect("the same alarms");
}
