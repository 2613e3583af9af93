//! Quotas of users: limits against abuse, which ordinary users do not meet.
//!
//! Each process counts for itself and in memory, apart from the rooms that a user hosts, which are claimed in the log.
//! Unlike the rate limits of requests, these counters give back what a rejected command has taken, and do not count
//! repeats.

pub(crate) use admission::Admission;
pub(crate) use counter::{Quota, Taken};

mod admission;
mod counter;

use std::time::Duration;

use clap::Args;
use credentials::KeyedMutex;
use domain::UserId;
use tokio::sync::MutexGuard;

use crate::{error::Error, problems::Code};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The quotas of a user. 0 stands for no limit.
#[derive(Debug, Clone, Args)]
pub struct QuotaArgs {
    /// Most open rooms that one user has opened and still hosts; 0 for no limit
    #[arg(long, env = "BOXROOM_OPEN_ROOMS_PER_USER", default_value_t = 1, value_name = "ROOMS")]
    pub open_rooms_per_user: u16,

    /// Most open rooms in which one user is a member; 0 for no limit
    #[arg(long, env = "BOXROOM_JOINED_ROOMS_PER_USER", default_value_t = 20, value_name = "ROOMS")]
    pub joined_rooms_per_user: usize,

    /// Most rooms that one user opens in a day; 0 for no limit
    #[arg(long, env = "BOXROOM_ROOMS_PER_DAY", default_value_t = 20, value_name = "ROOMS")]
    pub rooms_per_day: u64,

    /// Most messages that one user posts or edits in a minute; 0 for no limit
    #[arg(long, env = "BOXROOM_MESSAGES_PER_MINUTE", default_value_t = 60, value_name = "MESSAGES")]
    pub messages_per_minute: u64,

    /// Most bytes of messages that one user posts or edits in a day; 0 for no limit
    #[arg(long, env = "BOXROOM_MESSAGE_BYTES_PER_DAY", default_value_t = 2_000_000, value_name = "BYTES")]
    pub message_bytes_per_day: u64,

    /// Most changes of rooms by one user in a minute: title, size, store, password, host and co-hosts, mutes, pins,
    /// slow mode, invitations; 0 for no limit
    #[arg(long, env = "BOXROOM_ROOM_CHANGES_PER_MINUTE", default_value_t = 60, value_name = "CHANGES")]
    pub room_changes_per_minute: u64,

    /// Most changes of the nickname of one user in a day; 0 for no limit
    #[arg(long, env = "BOXROOM_NICKNAMES_PER_DAY", default_value_t = 5, value_name = "CHANGES")]
    pub nicknames_per_day: u64,

    /// Most reports that one user files in a day; 0 for no limit
    #[arg(long, env = "BOXROOM_REPORTS_PER_DAY", default_value_t = 20, value_name = "REPORTS")]
    pub reports_per_day: u64,

    /// Most sign-ins of one user or operator in a day; 0 for no limit
    #[arg(long, env = "BOXROOM_SIGN_INS_PER_DAY", default_value_t = 100, value_name = "SIGN-INS")]
    pub sign_ins_per_day: u64,

    /// Most sessions of one user or operator, of which the oldest ends; 0 for no limit
    #[arg(long, env = "BOXROOM_SESSIONS_PER_USER", default_value_t = 20, value_name = "SESSIONS")]
    pub sessions_per_user: usize,

    /// Most passwords of one address, and room passwords of one user, that wait at the same time; 0 for no limit
    #[arg(long, env = "BOXROOM_PASSWORDS_PER_CALLER", default_value_t = 16, value_name = "PASSWORDS")]
    pub passwords_per_caller: usize,
}

/// The quotas of all users in this process.
pub(crate) struct Quotas {
    /// The number of slots of a user for open rooms.
    pub(crate) open_rooms: u16,
    joined_rooms: usize,
    /// The number of sessions of a user.
    pub(crate) sessions: usize,
    rooms: Quota,
    messages: Quota,
    message_bytes: Quota,
    room_changes: Quota,
    nicknames: Quota,
    reports: Quota,
    sign_ins: Quota,
    /// Serializes the joins of a user, so that concurrent ones are each counted.
    joins: KeyedMutex,
}

impl Quotas {
    /// Creates the quotas with these limits.
    pub(crate) fn new(limits: &QuotaArgs) -> Self {
        Self {
            open_rooms: limits.open_rooms_per_user,
            joined_rooms: limits.joined_rooms_per_user,
            sessions: limits.sessions_per_user,
            rooms: Quota::new(limits.rooms_per_day, DAY, Code::TooManyRooms),
            messages: Quota::new(limits.messages_per_minute, MINUTE, Code::TooManyMessages),
            message_bytes: Quota::new(limits.message_bytes_per_day, DAY, Code::TooMuchText),
            room_changes: Quota::new(limits.room_changes_per_minute, MINUTE, Code::TooManyRoomChanges),
            nicknames: Quota::new(limits.nicknames_per_day, DAY, Code::TooManyNicknames),
            reports: Quota::new(limits.reports_per_day, DAY, Code::TooManyReports),
            sign_ins: Quota::new(limits.sign_ins_per_day, DAY, Code::TooManySignIns),
            joins: KeyedMutex::default(),
        }
    }

    /// The admission of a message of this many bytes, posted or edited.
    pub(crate) fn message<'a>(&'a self, author: &'a UserId, bytes: usize) -> Admission<'a> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Admission::new(vec![
            Box::new(move || self.messages.take(author, 1)),
            Box::new(move || self.message_bytes.take(author, bytes)),
        ])
    }

    /// The admission of the opening of a room.
    pub(crate) fn opening<'a>(&'a self, host: &'a UserId) -> Admission<'a> {
        Admission::new(vec![Box::new(move || self.rooms.take(host, 1))])
    }

    /// Takes a sign-in with the right password.
    pub(crate) fn sign_in(&self, user_id: &UserId) -> Result<Option<Taken>, Error> {
        self.sign_ins.take(user_id, 1)
    }

    /// The admission of a change of a room.
    pub(crate) fn room_change<'a>(&'a self, by: &'a UserId) -> Admission<'a> {
        Admission::new(vec![Box::new(move || self.room_changes.take(by, 1))])
    }

    /// The admission of another nickname.
    pub(crate) fn nickname<'a>(&'a self, user_id: &'a UserId) -> Admission<'a> {
        Admission::new(vec![Box::new(move || self.nicknames.take(user_id, 1))])
    }

    /// The admission of a report.
    pub(crate) fn report<'a>(&'a self, reporter: &'a UserId) -> Admission<'a> {
        Admission::new(vec![Box::new(move || self.reports.take(reporter, 1))])
    }

    /// The admission of a user to one more room, by the number of open rooms that the user is in.
    pub(crate) fn joining<'a>(&'a self, memberships: impl Fn() -> usize + Send + Sync + 'a) -> Admission<'a> {
        let limit = self.joined_rooms;
        Admission::new(vec![Box::new(move || {
            if limit > 0 && memberships() >= limit {
                let detail = format!("A user can be in at most {limit} open rooms: leave one of them first.");
                return Err(Error::detailed(Code::TooManyJoinedRooms, detail));
            }
            Ok(None)
        })])
    }

    /// Waits until no other join of the user is in progress, so that concurrent ones are each counted.
    pub(crate) async fn lock_joins(&self, user_id: &UserId) -> Option<MutexGuard<'_, ()>> {
        self.joins.lock(user_id.as_str()).await
    }
}
