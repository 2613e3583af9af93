//! The rows do not depend on the batch boundaries: checked with random histories of boxes and users.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use domain::{
    BoxCommand, BoxEvent, BoxId, DeliveryBox, MessageId, MessageState, OriginalMessage, OwnCommand, PasswordProof,
    RoomChange, RoomCommand, RoomId, TalkCommand, TalkEvent, User, UserCommand, UserId,
    delivery_box::InvitationLimits,
    values::{Emoji, ExtensionHours, Locale, MaxMembers, PushTarget, QuietHours, Step},
};
use event_store::MemoryLog;
use projector::{Commit, Content, Projection, ProjectionMode, project_and_release};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use testing::commands::install_box;
use wire::StreamName;

use crate::{
    story::{Story, commits_of, dropped, joined, time, unreadable, user},
    world::{BOXES, World, checkpoint, everything, origins},
};

/// Random numbers of one step: box or device, user, command, and its object.
type Dice = (u8, u8, u8, u8);

const USERS: [&str; 5] = ["ann", "bob", "cleo", "dan", "eve"];

struct RandomHistory {
    story: Story,
    boxes: BTreeMap<BoxId, DeliveryBox>,
    messages: Vec<OriginalMessage>,
    /// Failing commits that may be dropped.
    unprojectable: Vec<(BoxId, u64)>,
}

impl RandomHistory {
    fn new() -> Self {
        let mut history =
            Self { story: Story::new(), boxes: BTreeMap::new(), messages: Vec::new(), unprojectable: Vec::new() };
        for box_id in ["b1", "b2", "b3"] {
            let box_id: BoxId = box_id.parse().expect("a box id");
            history.order(&box_id, &user("ops"), install_box(box_id.clone()));
        }
        history
    }

    /// Executes a command, and ignores a refusal.
    fn order(&mut self, box_id: &BoxId, actor: &UserId, command: BoxCommand) {
        let state = self.boxes.entry(box_id.clone()).or_default();
        let Ok(mut events) = state.decide(command) else { return };
        if self.story.commits.len().is_multiple_of(3) {
            events.iter_mut().for_each(forget_mentions);
        }
        if events.is_empty() {
            return;
        }
        for event in &events {
            state.apply(event.clone());
        }
        let content = Content::Box { box_id: box_id.clone(), events: events.clone() };
        let sequence = self.story.add(actor.as_str(), content);
        if let Some(BoxEvent::Talk { room_id, event: TalkEvent::MessagePosted { author, body, .. } }) =
            events.into_iter().next()
        {
            let state = MessageState { text: body, ..MessageState::default() };
            self.messages.push(OriginalMessage { message_id: MessageId::new(sequence), room_id, author, state });
        }
    }

    /// Adds events that every random history must contain: reactions to a recent message.
    fn talk(&mut self) {
        let box_id: BoxId = "b1".parse().expect("a box id");
        let room_id = RoomId::new(box_id.clone(), 1);
        for (actor, what) in [("bob", 0), ("cleo", 1), ("bob", 17), ("cleo", 13)] {
            let (actor, original) = (user(actor), self.messages.last().cloned());
            let order = command(what, 0, &room_id, &actor, user("dan"), original);
            self.order(&box_id, &actor, order);
        }
        assert_eq!(self.story.commits.len(), 7, "every command is allowed");
    }

    /// Adds a failing commit, an erasure or an operator's drop of an event, if `what` selects one. Returns whether it
    /// did.
    fn add_failure(&mut self, what: u8, about: u8, box_id: &BoxId, actor: &UserId, room_id: &RoomId) -> bool {
        match what {
            99 => {
                let reason = "from the future".to_owned();
                let content = Content::Unreadable { box_id: Some(box_id.clone()), reason };
                self.unprojectable.push((box_id.clone(), self.story.add(actor.as_str(), content)));
            }
            98 => {
                let again = [joined(&room_id.to_string(), actor.as_str())];
                self.unprojectable.push((box_id.clone(), self.story.happens(box_id.as_str(), actor.as_str(), again)));
            }
            90 | 91 => {
                self.order(
                    box_id,
                    &UserId::system(),
                    BoxCommand::Box(OwnCommand::EraseAuthor { user_id: actor.clone(), at: time(0) }),
                );
            }
            92..=97 => {
                let of_box: Vec<u64> =
                    self.unprojectable.iter().filter(|(of, _)| of == box_id).map(|(_, sequence)| *sequence).collect();
                let choice = of_box.iter().rev().nth(usize::from(about) % of_box.len().max(1));
                let sequence = choice.copied().unwrap_or_else(|| u64::from(about) + 1);
                self.story.happens(box_id.as_str(), "ops", [dropped(sequence)]);
            }
            _ => return false,
        }
        true
    }

    fn throw(&mut self, (which, who, what, about): Dice) {
        let box_id: BoxId = format!("b{}", which % 3 + 1).parse().expect("a box id");
        let actor = user(USERS[usize::from(who) % USERS.len()]);
        let other = user(USERS[usize::from(about) % USERS.len()]);
        let last = self.boxes.get(&box_id).and_then(DeliveryBox::room).map(|room| room.room_id().clone());
        let room_id = last.unwrap_or_else(|| RoomId::new(box_id.clone(), 1));
        let originals: Vec<_> = self.messages.iter().filter(|message| message.room_id == room_id).collect();
        let original = originals.get(usize::from(about) % originals.len().max(1)).map(|found| (*found).clone());
        if self.add_failure(what, about, &box_id, &actor, &room_id) {
            return;
        }
        let command = command(what, about, &room_id, &actor, other, original);
        self.order(&box_id, &actor, command);
    }
}

/// Makes the event one of a release that stored no mentions.
fn forget_mentions(event: &mut BoxEvent) {
    if let BoxEvent::Talk {
        event:
            TalkEvent::MessagePosted { mentions, mentions_all, .. }
            | TalkEvent::MessageEdited { mentions, mentions_all, .. },
        ..
    } = event
    {
        (*mentions, *mentions_all) = (None, false);
    }
}

fn command(
    what: u8,
    about: u8,
    room_id: &RoomId,
    actor: &UserId,
    other: UserId,
    original: Option<OriginalMessage>,
) -> BoxCommand {
    let (room_id, actor, at) = (room_id.clone(), actor.clone(), time(0));
    let emoji = || Emoji::try_from(["👍", "🍜", "ok"][usize::from(about) % 3].to_owned()).expect("an emoji");
    let all = if about.is_multiple_of(7) { "@all" } else { "" };
    let body = || format!("{about} for @{other} {all}").try_into().expect("a body");
    // Commands race: the state of the message is not always the newest.
    let reacted = |original: Option<OriginalMessage>| {
        original.map(|mut message| {
            message.state.reactions.entry(emoji().into()).or_default().insert(actor.clone());
            message
        })
    };
    match what % 24 {
        0 => BoxCommand::Box(OwnCommand::OpenRoom {
            host: actor,
            store_id: "s1".parse().expect("a store id"),
            store_open: true,
            title: "Noodles".to_owned().try_into().expect("a title"),
            max_members: MaxMembers::try_from(4).expect("a number"),
            password_hash: None,
            at,
            lifetime: TimeDelta::hours(3),
        }),
        1..=4 => RoomCommand::JoinRoom { user_id: actor, password: PasswordProof::Missing, invitation: None, at }
            .in_room(room_id),
        5 => RoomCommand::LeaveRoom { user_id: actor, at }.in_room(room_id),
        6 if about.is_multiple_of(8) => RoomCommand::CloseRoom { by: actor, at }.in_room(room_id),
        6 => RoomCommand::KickMember { by: actor, user_id: other, at }.in_room(room_id),
        7 => RoomCommand::TransferHost { by: actor, to: other, at }.in_room(room_id),
        8 => RoomCommand::AdvanceStep { by: actor, step: Step::Ordering, at }.in_room(room_id),
        9 => RoomCommand::ExtendRoom { by: actor, hours: ExtensionHours::try_from(1).expect("hours"), at }
            .in_room(room_id),
        10 => BoxCommand::Box(OwnCommand::RecordArrival { at }),
        11 => TalkCommand::EditMessage { by: actor, original, body: body(), at }.in_room(room_id),
        12 => TalkCommand::DeleteMessage { by: actor, original, at }.in_room(room_id),
        13 | 14 => TalkCommand::AddReaction { user_id: actor, original, emoji: emoji(), at }.in_room(room_id),
        15 => {
            let original = reacted(original);
            TalkCommand::RemoveReaction { user_id: actor, original, emoji: emoji(), at }.in_room(room_id)
        }
        16 => {
            TalkCommand::PostMessage { author: actor, body: body(), reply_to: original.map(Some), at }.in_room(room_id)
        }
        17..=19 => TalkCommand::PostMessage { author: actor, body: body(), reply_to: None, at }.in_room(room_id),
        20 => permission(about, other),
        _ => moderation(about, (actor, other), original, at).in_room(room_id),
    }
}

/// An operator's command about the users of a box.
fn permission(about: u8, user_id: UserId) -> BoxCommand {
    BoxCommand::Box(match about % 4 {
        0 => OwnCommand::DisallowUser { user_id },
        _ => OwnCommand::AllowUser { user_id },
    })
}

/// A command of the host or a co-host.
fn moderation(
    about: u8,
    (by, user_id): (UserId, UserId),
    original: Option<OriginalMessage>,
    at: DateTime<Utc>,
) -> RoomCommand {
    let limits = InvitationLimits { uses: 1.try_into().expect("uses"), minutes: 60.try_into().expect("minutes") };
    let hash = format!("hash {}", about % 2);
    match about % 14 {
        0 | 1 => RoomCommand::AppointCoHost { by, user_id, at },
        2 => RoomCommand::DismissCoHost { by, user_id, at },
        3 => RoomCommand::MuteMember { by, user_id, minutes: 10.try_into().expect("minutes"), at },
        4 => RoomCommand::UnmuteMember { by, user_id, at },
        5 => RoomCommand::SetSlowMode { by, seconds: u32::from(about % 3).try_into().expect("seconds"), at },
        6 | 7 => RoomCommand::PinMessage { by, original, at },
        8 => RoomCommand::UnpinMessage { by, message_id: MessageId::new(u64::from(about)), at },
        9 => RoomCommand::CreateInvitation { by, token_hash: hash, limits, at },
        10 => RoomCommand::RevokeInvitation { by, invitation: 1, at },
        11 => {
            let password = PasswordProof::Missing;
            RoomCommand::JoinRoom { user_id: by, password, invitation: Some(hash), at }
        }
        _ => {
            let title = (!about.is_multiple_of(3)).then(|| format!("Title {about}").try_into().expect("a title"));
            let password_hash = (about.is_multiple_of(5)).then(|| (about.is_multiple_of(2)).then(|| "hash".to_owned()));
            let store = (about.is_multiple_of(7)).then(|| ("s2".parse().expect("a store id"), true));
            let change = RoomChange { store, title, max_members: None, password_hash };
            RoomCommand::ChangeRoom { by, change, at }
        }
    }
}

fn quiet_hours(hour: u8) -> QuietHours {
    let text = |text: String| text.try_into().expect("a time of day");
    let zone = "Asia/Seoul".to_owned().try_into().expect("a time zone");
    QuietHours::new(zone, text(format!("{:02}:00", hour % 24)), text("12:34".to_owned())).expect("different times")
}

/// A random history of a few users.
fn people(dice: &[Dice]) -> Story {
    let mut story = Story::new();
    let mut users: BTreeMap<UserId, User> = BTreeMap::new();
    for (which, who, what, _) in dice {
        let id = user(USERS[usize::from(*who) % USERS.len()]);
        let device_id = format!("d{}", which % 3).parse().expect("a device id");
        let nickname = format!("name {what}").try_into().expect("a nickname");
        let command = match what % 16 {
            0..=2 => UserCommand::RegisterUser { user_id: id.clone(), nickname },
            3 => UserCommand::ChangeNickname { nickname },
            4..=9 => UserCommand::RegisterDevice {
                device_id,
                target: PushTarget::Fcm(format!("token-{what}").try_into().expect("a token")),
                locale: Locale::default(),
            },
            10..=13 => UserCommand::RemoveDevice { device_id, target: None },
            14 if which % 4 < 3 => {
                let room_id = RoomId::new("b1".parse().expect("a box id"), u32::from(which % 5) + 1);
                if which % 2 == 0 { UserCommand::MuteRoom { room_id } } else { UserCommand::UnmuteRoom { room_id } }
            }
            14 if which % 16 == 3 => UserCommand::BlockUser { user_id: "cem".parse().expect("a user id") },
            14 if which % 16 == 7 => UserCommand::UnblockUser { user_id: "cem".parse().expect("a user id") },
            14 => UserCommand::SetNotificationPreferences {
                preferences: BTreeMap::from([(domain::AlarmKind::Reply, what % 2 == 0)]),
            },
            15 if which % 4 == 0 => UserCommand::SetQuietHours { quiet_hours: quiet_hours(*which) },
            15 if which % 4 == 1 => UserCommand::RemoveQuietHours,
            _ => UserCommand::EraseUser,
        };
        let state = users.entry(id.clone()).or_default();
        if let Ok(events) = state.decide(command) {
            for event in &events {
                state.apply(event.clone());
            }
            if !events.is_empty() {
                story.add(id.as_str(), Content::User { user_id: id.clone(), events });
            }
        }
    }
    story
}

/// Projects batches of these lengths, each with a new projection.
async fn project_cut(
    connection: &mut PgConnection,
    stream: StreamName,
    (commits, log): (&[Commit], &MemoryLog),
    cuts: &[usize],
) {
    let mut rest = commits;
    let mut distances = cuts.iter().cycle();
    while !rest.is_empty() {
        let length = (*distances.next().expect("a distance")).min(rest.len());
        let (batch, later) = rest.split_at(length);
        project_remembering(connection, stream, ProjectionMode::Live, (batch, log), (batch.len(), &[false])).await;
        rest = later;
    }
}

/// Projects all batches with one projection, which remembers rows between batches. After a crash within a batch it
/// begins again from the committed state.
async fn project_remembering(
    connection: &mut PgConnection,
    stream: StreamName,
    pace: ProjectionMode,
    (commits, log): (&[Commit], &MemoryLog),
    (cut, crashes): (usize, &[bool]),
) {
    let mut projection = Projection::open(stream, pace, connection).await.expect("a projection");
    let mut at = checkpoint(connection, stream).await;
    for (batch, crash) in commits.chunks(cut).zip(crashes.iter().cycle()) {
        if *crash {
            let mut transaction = connection.begin().await.expect("a transaction");
            // A batch that the database refuses rolls back as well.
            let _ = projection.project(&mut transaction, batch).await;
            drop(transaction);
            projection = Projection::open(stream, pace, connection).await.expect("a projection");
        }
        project_and_release(connection, &mut projection, &mut at, batch, log).await.expect("projected");
    }
}

pub(crate) async fn reset(world: &World) {
    for generation in [2, 3, 4, 5] {
        let mut control = world.database.control().await.expect("a connection");
        let drop = format!(
            "drop schema if exists read_g{generation} cascade;
             delete from control.generations where generation = {generation}"
        );
        raw_sql(AssertSqlSafe(drop)).execute(&mut control).await.expect("the schema is dropped");
        projector::generation::create(&world.database, generation, &origins()).await.expect("a generation");
    }
}

async fn compare(world: &World, dice: &[Dice], cuts: &[usize], (cut, crashes): (usize, &[bool])) {
    let mut history = RandomHistory::new();
    history.talk();
    for throw in dice {
        history.throw(*throw);
    }
    for box_id in ["b1", "b2", "b3"] {
        let erase = BoxCommand::Box(OwnCommand::EraseAuthor { user_id: user("ann"), at: time(0) });
        history.order(&box_id.parse().expect("a box id"), &UserId::system(), erase);
    }
    let people = people(dice);
    reset(world).await;
    let log = history.story.on_log().await;
    let mut one = world.database.generation(2).await.expect("a connection");
    let mut other = world.database.generation(3).await.expect("a connection");
    let mut built = world.database.generation(4).await.expect("a connection");
    for (stream, commits) in [(BOXES, commits_of(&log).await), (StreamName::User, people.commits)] {
        let told = (commits.as_slice(), log.as_ref());
        project_cut(&mut one, stream, told, cuts).await;
        project_remembering(&mut other, stream, ProjectionMode::Live, told, (cut, crashes)).await;
        project_remembering(&mut built, stream, ProjectionMode::Building, told, (cut * 3, crashes)).await;
    }
    let (one, other) = (everything(&mut one).await, everything(&mut other).await);
    let built = everything(&mut built).await;
    for (table, rows) in &one {
        assert_eq!(rows, &other[table], "{table}");
        assert_eq!(rows, &built[table], "{table} of a generation that was built");
    }
    equal_without_the_key(world, &one, &log, cut).await;
    dense(&one);
    for row in &one["quarantined_boxes"] {
        let position = row["row"]["position"].as_u64().expect("a position");
        // Dropping an event that is yet to come has no effect.
        let mut later = history.story.commits.iter().filter(|commit| commit.sequence > position);
        let given_up = later.any(|commit| {
            matches!(&commit.content, Content::Box { box_id, events }
                if row["row"]["box_id"] == box_id.as_str() && events == &[dropped(position)])
        });
        assert!(!given_up, "{row} is given up and still in the way");
    }
}

/// Compares with a projection of the log after ann's key was destroyed: it must have the same rows as her erasure.
async fn equal_without_the_key(
    world: &World,
    redacted: &BTreeMap<String, Vec<serde_json::Value>>,
    log: &MemoryLog,
    cut: usize,
) {
    let mut story = Story::new();
    story.commits = commits_of(log).await.into_iter().map(|commit| unreadable(commit, &user("ann"))).collect();
    let log = story.on_log().await;
    let mut without_key = world.database.generation(5).await.expect("a connection");
    let told = (story.commits.as_slice(), log.as_ref());
    project_remembering(&mut without_key, BOXES, ProjectionMode::Building, told, (cut, &[false])).await;
    let without_key = everything(&mut without_key).await;
    let parked: Vec<_> = redacted["quarantined_boxes"].iter().map(|row| &row["row"]["box_id"]).collect();
    for (table, rows) in redacted {
        // The erasure on a quarantined box waits like its other events.
        let of_boxes =
            |row: &&serde_json::Value| row["row"].get("box_id").is_some_and(|box_id| !parked.contains(&box_id));
        let rows: Vec<_> = rows.iter().filter(of_boxes).collect();
        assert_eq!(rows, without_key[table].iter().filter(of_boxes).collect::<Vec<_>>(), "{table} without the key");
    }
}

/// The versions of each room's feed are 1, 2, 3 ...
fn dense(all: &BTreeMap<String, Vec<serde_json::Value>>) {
    let mut rooms: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for row in all["room_events"].iter().map(|row| &row["row"]) {
        rooms.entry(row["room_id"].to_string()).or_default().push(row["v"].as_i64().expect("a version"));
    }
    for row in all["rooms"].iter().map(|row| &row["row"]) {
        let mut versions = rooms.remove(&row["room_id"].to_string()).unwrap_or_default();
        versions.sort_unstable();
        let last = row["v"].as_i64().expect("a version");
        assert_eq!(versions, (1..=last).collect::<Vec<_>>(), "{}", row["room_id"]);
    }
    assert!(rooms.is_empty(), "a feed without a room");
}

#[test]
fn batch_boundaries_do_not_affect_the_result() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::start());
    let mut runner =
        TestRunner::new(Config { cases: 10, max_shrink_iters: 20, failure_persistence: None, ..Config::default() });
    let dice = vec((any::<u8>(), any::<u8>(), 0..100_u8, any::<u8>()), 20..400);
    let cut = prop_oneof![Just(1_usize), 2..80_usize];
    let strategy = (dice, vec(1..40_usize, 1..10), cut, vec(proptest::bool::weighted(0.2), 7));
    runner
        .run(&strategy, |(dice, cuts, cut, crashes)| {
            runtime.block_on(compare(&world, &dice, &cuts, (cut, &crashes)));
            Ok(())
        })
        .expect("the same rows");
}
