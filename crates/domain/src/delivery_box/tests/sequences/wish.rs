//! Random commands to a box, sensible or not.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::delivery_box::{Reactions, Room};

const PEOPLE: [&str; 5] = ["ann", "ben", "cho", "dan", "eve"];

/// A kind of command with arbitrary choices. Their meaning depends on the state of the box.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    what: What,
    /// Minutes since the command before. Slightly negative if the clock of another server is behind.
    pub(super) minutes: i64,
    who: usize,
    whom: usize,
    /// The difference between the room's number and the last room's.
    room: i64,
    /// True for a room of another box.
    elsewhere: bool,
    password: u8,
    number: u32,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Install,
    ChangeDetails,
    TakeOut,
    Return,
    Retire,
    Arrival,
    DoorOpening,
    DropEvent,
    EraseAuthor,
    RemoveSuspended,
    Allow,
    Disallow,
    Open,
    InRoom(Act),
    Talk(Saying),
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Join,
    Leave,
    Kick,
    LiftKick,
    Change,
    Appoint,
    Dismiss,
    Mute,
    Unmute,
    SlowMode,
    Pin,
    Unpin,
    UnpinDeleted,
    Invite,
    Revoke,
    Transfer,
    Advance,
    Extend,
    Close,
    CloseByModerator,
    Warn,
    Expire,
}

#[derive(Debug, Clone, Copy)]
enum Saying {
    Post,
    Edit,
    Delete,
    React,
    TakeReactionBack,
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        1 => Just(What::Install),
        1 => Just(What::ChangeDetails),
        1 => Just(What::TakeOut),
        3 => Just(What::Return),
        1 => Just(What::Retire),
        2 => Just(What::Arrival),
        1 => Just(What::DoorOpening),
        1 => Just(What::DropEvent),
        2 => Just(What::EraseAuthor),
        2 => Just(What::RemoveSuspended),
        3 => Just(What::Allow),
        1 => Just(What::Disallow),
        12 => Just(What::Open),
        25 => Just(What::InRoom(Act::Join)),
        6 => Just(What::InRoom(Act::Leave)),
        10 => Just(What::InRoom(Act::Kick)),
        16 => Just(What::InRoom(Act::LiftKick)),
        5 => Just(What::InRoom(Act::Change)),
        7 => Just(What::InRoom(Act::Appoint)),
        8 => Just(What::InRoom(Act::Dismiss)),
        12 => Just(What::InRoom(Act::Mute)),
        14 => Just(What::InRoom(Act::Unmute)),
        1 => Just(What::InRoom(Act::SlowMode)),
        2 => Just(What::InRoom(Act::Pin)),
        1 => Just(What::InRoom(Act::Unpin)),
        1 => Just(What::InRoom(Act::UnpinDeleted)),
        3 => Just(What::InRoom(Act::Invite)),
        2 => Just(What::InRoom(Act::Revoke)),
        4 => Just(What::InRoom(Act::Transfer)),
        3 => Just(What::InRoom(Act::Advance)),
        12 => Just(What::InRoom(Act::Extend)),
        2 => Just(What::InRoom(Act::Close)),
        1 => Just(What::InRoom(Act::CloseByModerator)),
        3 => Just(What::InRoom(Act::Warn)),
        3 => Just(What::InRoom(Act::Expire)),
        8 => Just(What::Talk(Saying::Post)),
        2 => Just(What::Talk(Saying::Edit)),
        3 => Just(What::Talk(Saying::Delete)),
        2 => Just(What::Talk(Saying::React)),
        2 => Just(What::Talk(Saying::TakeReactionBack)),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let minutes = prop_oneof![2 => -1..=0_i64, 20 => 0..=10_i64, 2 => 60..=240_i64];
    let room = prop_oneof![20 => Just(0_i64), 1 => -2..=1_i64];
    let people = (0..PEOPLE.len(), 0..PEOPLE.len());
    (what(), minutes, people, room, prop::bool::weighted(0.03), 0..6_u8, 0..6_u32).prop_map(
        |(what, minutes, (who, whom), room, elsewhere, password, number)| Wish {
            what,
            minutes,
            who,
            whom,
            room,
            elsewhere,
            password,
            number,
        },
    )
}

/// Up to eighty commands. In nearly all cases the first installs the box.
pub(super) fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    (prop::bool::weighted(0.95), vec(wish(), 1..80)).prop_map(|(installed, mut wishes)| {
        if installed && let Some(first) = wishes.first_mut() {
            first.what = What::Install;
        }
        wishes
    })
}

impl Wish {
    /// Builds the command, issued at this minute.
    pub(super) fn command(&self, state: &DeliveryBox, now: i64) -> BoxCommand {
        match self.what {
            What::Install => install(),
            What::ChangeDetails => BoxCommand::Box(OwnCommand::ChangeBoxDetails {
                kind: Some(if self.number == 1 { BoxKind::Private } else { BoxKind::Shared }),
                zip_code: None,
                address: None,
                detailed_address: None,
                coordinates: None,
            }),
            What::TakeOut => BoxCommand::Box(OwnCommand::TakeOutOfService { reason: None }),
            What::Return => BoxCommand::Box(OwnCommand::ReturnToService),
            What::Retire => BoxCommand::Box(OwnCommand::RetireBox { closes_room: self.number > 3, at: minute(now) }),
            What::Arrival => BoxCommand::Box(OwnCommand::RecordArrival { at: minute(now) }),
            What::DropEvent => drop_event((self.number > 0).then_some(7)),
            What::EraseAuthor => erase_author(PEOPLE[self.who], now),
            What::RemoveSuspended => {
                BoxCommand::Box(OwnCommand::RemoveSuspended { user_id: user(PEOPLE[self.who]), at: minute(now) })
            }
            What::Allow => BoxCommand::Box(OwnCommand::AllowUser { user_id: user(PEOPLE[self.who]) }),
            What::Disallow => BoxCommand::Box(OwnCommand::DisallowUser { user_id: user(PEOPLE[self.who]) }),
            What::DoorOpening => BoxCommand::Box(OwnCommand::RecordDoorOpening { at: minute(now) }),
            What::Open => self.open(now),
            What::InRoom(act) => self.in_room(act, state, now),
            What::Talk(saying) => self.talk(saying, state, now),
        }
    }

    fn open(&self, now: i64) -> BoxCommand {
        BoxCommand::Box(OwnCommand::OpenRoom {
            host: user(PEOPLE[self.who]),
            store_id: "pizzeria".parse().unwrap(),
            store_open: self.number != 0,
            title: text("Pizza"),
            max_members: MaxMembers::try_from(2 + self.number % 3).unwrap(),
            password_hash: self.password.is_multiple_of(2).then(|| HASH.to_owned()),
            lifetime: crate::delivery_box::ROOM_LIFETIME,
            at: minute(now),
        })
    }

    fn in_room(&self, act: Act, state: &DeliveryBox, now: i64) -> BoxCommand {
        let (room_id, user_id, at) = (self.room(state), user(PEOPLE[self.who]), minute(now));
        let (by, whom) = (self.mostly_the_host(state), user(PEOPLE[self.whom]));
        match act {
            Act::Join => {
                let invitation = (self.number > 3).then(|| format!("hash-{}", self.number));
                RoomCommand::JoinRoom { user_id, password: self.proof(), invitation, at }.in_room(room_id)
            }
            Act::Leave => RoomCommand::LeaveRoom { user_id, at }.in_room(room_id),
            Act::Kick => RoomCommand::KickMember { by, user_id: whom, at }.in_room(room_id),
            Act::LiftKick => RoomCommand::LiftKick { user_id: whom, at }.in_room(room_id),
            Act::Change => RoomCommand::ChangeRoom { by, change: self.change(), at }.in_room(room_id),
            Act::Appoint => RoomCommand::AppointCoHost { by, user_id: whom, at }.in_room(room_id),
            Act::Dismiss => {
                let co_host = state.room().and_then(|room| room.co_hosts().first().cloned());
                RoomCommand::DismissCoHost { by, user_id: co_host.unwrap_or(whom), at }.in_room(room_id)
            }
            Act::Mute => {
                let minutes = MuteMinutes::try_from(1 + self.number * 10).unwrap();
                RoomCommand::MuteMember { by, user_id: self.noisy(), minutes, at }.in_room(room_id)
            }
            Act::Unmute => RoomCommand::UnmuteMember { by, user_id: self.noisy(), at }.in_room(room_id),
            Act::SlowMode => {
                let seconds = SlowModeSeconds::try_from(self.number * 10).unwrap();
                RoomCommand::SetSlowMode { by, seconds, at }.in_room(room_id)
            }
            Act::Pin => RoomCommand::PinMessage { by, original: self.original(state), at }.in_room(room_id),
            Act::Unpin => RoomCommand::UnpinMessage { by, message_id: MessageId::new(7), at }.in_room(room_id),
            Act::UnpinDeleted => RoomCommand::UnpinDeleted { message_id: MessageId::new(7), at }.in_room(room_id),
            Act::Invite => {
                let token_hash = format!("hash-{}", 4 + self.number % 2);
                let limits = InvitationLimits { uses: 2.try_into().unwrap(), minutes: 60.try_into().unwrap() };
                RoomCommand::CreateInvitation { by, token_hash, limits, at }.in_room(room_id)
            }
            Act::Revoke => RoomCommand::RevokeInvitation { by, invitation: self.number, at }.in_room(room_id),
            Act::Transfer => RoomCommand::TransferHost { by, to: whom, at }.in_room(room_id),
            Act::Advance => RoomCommand::AdvanceStep { by, step: self.step(), at }.in_room(room_id),
            Act::Extend => {
                let hours = ExtensionHours::try_from(1 + self.number % 3).unwrap();
                RoomCommand::ExtendRoom { by, hours, at }.in_room(room_id)
            }
            Act::Close => RoomCommand::CloseRoom { by, at }.in_room(room_id),
            Act::CloseByModerator => RoomCommand::CloseByModerator { at }.in_room(room_id),
            Act::Warn => {
                let closes_at = state.room().filter(|_| self.number > 1).map_or(at, Room::closes_at);
                RoomCommand::WarnOfClosing { closes_at, at }.in_room(room_id)
            }
            Act::Expire => {
                let closes_at = state.room().filter(|_| self.number > 1).map_or(at, Room::closes_at);
                RoomCommand::ExpireRoom { closes_at }.in_room(room_id)
            }
        }
    }

    fn talk(&self, saying: Saying, state: &DeliveryBox, now: i64) -> BoxCommand {
        let (room_id, by, original, at) = (self.room(state), user(PEOPLE[self.who]), self.original(state), minute(now));
        match saying {
            Saying::Post => {
                let reply_to = (self.number > 2).then_some(original);
                TalkCommand::PostMessage { author: by, body: text("hi"), reply_to, at }.in_room(room_id)
            }
            Saying::Edit => TalkCommand::EditMessage { by, original, body: text("hello"), at }.in_room(room_id),
            Saying::Delete => TalkCommand::DeleteMessage { by, original, at }.in_room(room_id),
            Saying::React => TalkCommand::AddReaction { user_id: by, original, emoji: text("👍"), at }.in_room(room_id),
            Saying::TakeReactionBack => {
                TalkCommand::RemoveReaction { user_id: by, original, emoji: text("👍"), at }.in_room(room_id)
            }
        }
    }

    fn room(&self, state: &DeliveryBox) -> RoomId {
        let box_id = if self.elsewhere { "other" } else { "b" };
        let last = state.room().map_or(1, |last| i64::from(last.room_id().number()));
        RoomId::new(box_id.parse().unwrap(), u32::try_from((last + self.room).max(1)).unwrap())
    }

    fn mostly_the_host(&self, state: &DeliveryBox) -> UserId {
        state.room().filter(|_| self.number > 0).map_or_else(|| user(PEOPLE[self.who]), |last| last.host().clone())
    }

    /// A message of the acting or of another user, mostly in this room.
    fn original(&self, state: &DeliveryBox) -> Option<OriginalMessage> {
        let author = user(PEOPLE[if self.password > 2 { self.who } else { self.whom }]);
        let room_id = if self.number == 5 { room(99) } else { self.room(state) };
        let reactions = match self.number {
            2 => Reactions::from([("👍".to_owned(), [user(PEOPLE[self.who])].into())]),
            _ => Reactions::new(),
        };
        let state = MessageState { text: "hm".into(), deleted: self.number == 4, reactions };
        (self.number > 0).then_some(OriginalMessage { message_id: MessageId::new(7), room_id, author, state })
    }

    fn proof(&self) -> PasswordProof {
        match self.password {
            0 => PasswordProof::Missing,
            1 => PasswordProof::Wrong,
            2 => PasswordProof::Matches("the hash of another room".into()),
            _ => PasswordProof::Matches(HASH.into()),
        }
    }

    fn change(&self) -> RoomChange {
        RoomChange {
            store: (self.number == 3).then(|| ("noodles".parse().unwrap(), self.password > 0)),
            title: (self.number == 4).then(|| text("Noodles")),
            max_members: (self.number < 3).then(|| MaxMembers::try_from(2 + self.number).unwrap()),
            password_hash: (self.password < 2).then(|| (self.password == 0).then(|| HASH.to_owned())),
        }
    }

    /// One of two users, so that a muted one is unmuted.
    fn noisy(&self) -> UserId {
        user(PEOPLE[self.whom % 2])
    }

    fn step(&self) -> Step {
        let steps = [Step::Gathering, Step::Ordering, Step::Ordered, Step::Delivering, Step::Arrived, Step::Collected];
        steps[self.number as usize]
    }
}
