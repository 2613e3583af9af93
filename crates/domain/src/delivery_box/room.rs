//! The state of a room within its box.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{event::RoomEvent, invitation::Invitation};
use crate::{
    ids::{MessageId, RoomId, StoreId, UserId},
    values::{ExtensionHours, MaxMembers, Step, Title},
};

/// The time before the end of a room at which its members are warned.
pub const CLOSING_WARNING: TimeDelta = TimeDelta::minutes(10);

/// The time after the opening of a room before which there is no warning: its deadline is armed before the opening is
/// stored, and must not fire before.
const EARLIEST_WARNING: TimeDelta = TimeDelta::minutes(2);

/// A room: only what decisions need. Parts that only an open room needs are empty once it is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    #[serde(rename = "room_id")]
    pub(super) id: RoomId,
    pub(super) host: UserId,
    pub(super) max_members: u32,
    pub(super) password_hash: Option<String>,
    pub(super) step: Step,
    pub(super) closes_at: DateTime<Utc>,
    /// The time of the next warning that the room closes soon. None if there is none: its members have been warned, or
    /// it is too short, or closed. A release without warnings stores the state without it, and the room closes without
    /// a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) warns_at: Option<DateTime<Utc>>,
    pub(super) extensions: u32,
    /// The members in the order of joining. The next host is the first co-host, or the first.
    pub(super) members: Vec<UserId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) co_hosts: BTreeSet<UserId>,
    /// The kicked users, who cannot join again.
    pub(super) kicked: BTreeSet<UserId>,
    /// The ends of mutings. A user who leaves and joins again stays muted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) muted: BTreeMap<UserId, DateTime<Utc>>,
    /// The least time between two messages of a member, in seconds; 0 for no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) slow_mode: u32,
    /// The pinned messages, the oldest pin first. One that was deleted while it was pinned may remain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pins: Vec<MessageId>,
    /// The invitations that were valid when the last one was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) invitations: Vec<Invitation>,
    /// The number of the last invitation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) last_invitation: u32,
    pub(super) closed: bool,
}

/// A change of a room. Absent parts stay.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoomChange {
    /// The store to order from, and true if it takes orders.
    pub store: Option<(StoreId, bool)>,
    /// The title.
    pub title: Option<Title>,
    /// The maximum number of members.
    pub max_members: Option<MaxMembers>,
    /// The hash (argon2id, PHC form) of the password, or `Some(None)` to unlock the room.
    pub password_hash: Option<Option<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Room {
    /// Returns the room of an opening.
    pub(super) fn opened(room_id: RoomId, event: RoomEvent) -> Option<Self> {
        let RoomEvent::RoomOpened { host, max_members, password_hash, opened_at, closes_at, .. } = event else {
            return None;
        };
        Some(Self {
            id: room_id,
            members: vec![host.clone()],
            host,
            max_members,
            password_hash,
            step: Step::Gathering,
            closes_at,
            warns_at: Self::warning(opened_at, closes_at),
            extensions: 0,
            co_hosts: BTreeSet::new(),
            kicked: BTreeSet::new(),
            muted: BTreeMap::new(),
            slow_mode: 0,
            pins: Vec::new(),
            invitations: Vec::new(),
            last_invitation: 0,
            closed: false,
        })
    }

    pub(super) fn apply(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::RoomOpened { .. } => {}
            RoomEvent::RoomChanged { max_members, password_hash, password_removed, .. } => {
                self.max_members = max_members.unwrap_or(self.max_members);
                if password_hash.is_some() || password_removed {
                    self.password_hash = password_hash;
                }
            }
            RoomEvent::MemberJoined { user_id } => self.members.push(user_id),
            RoomEvent::MemberLeft { user_id } => self.remove(&user_id),
            RoomEvent::MemberKicked { user_id, .. } => {
                self.remove(&user_id);
                self.kicked.insert(user_id);
            }
            RoomEvent::KickLifted { user_id } => {
                self.kicked.remove(&user_id);
            }
            RoomEvent::HostTransferred { to, .. } => {
                self.co_hosts.remove(&to);
                self.muted.remove(&to);
                self.host = to;
            }
            RoomEvent::CoHostAppointed { user_id } => {
                self.co_hosts.insert(user_id);
            }
            RoomEvent::CoHostDismissed { user_id } => {
                self.co_hosts.remove(&user_id);
            }
            RoomEvent::MemberMuted { user_id, muted_at, until } => {
                self.muted.retain(|_, until| *until > muted_at);
                self.muted.insert(user_id, until);
            }
            RoomEvent::MemberUnmuted { user_id } => {
                self.muted.remove(&user_id);
            }
            RoomEvent::SlowModeSet { seconds } => self.slow_mode = seconds,
            RoomEvent::MessagePinned { message_id, replaced } => {
                self.pins.retain(|pinned| Some(*pinned) != replaced);
                self.pins.push(message_id);
            }
            RoomEvent::MessageUnpinned { message_id } => self.pins.retain(|pinned| *pinned != message_id),
            RoomEvent::InvitationCreated { .. }
            | RoomEvent::InvitationRevoked { .. }
            | RoomEvent::InvitationUsed { .. } => self.apply_invitation(event),
            RoomEvent::StepAdvanced { step } => self.step = step,
            RoomEvent::RoomExtended { extension, closes_at, .. } => {
                self.extensions = extension;
                self.closes_at = closes_at;
                // An extension is longer than the warning.
                self.warns_at = Some(closes_at - CLOSING_WARNING);
            }
            RoomEvent::RoomClosingSoon { .. } => self.warns_at = None,
            RoomEvent::RoomClosed { .. } => self.close(),
        }
    }

    fn remove(&mut self, user_id: &UserId) {
        self.members.retain(|member| member != user_id);
        self.co_hosts.remove(user_id);
    }

    fn close(&mut self) {
        self.closed = true;
        self.warns_at = None;
        // Rooms of earlier releases may have more of them: without them the closing commit has a valid size.
        self.kicked.clear();
        self.co_hosts.clear();
        self.muted.clear();
        self.slow_mode = 0;
        self.pins.clear();
        self.invitations.clear();
    }

    /// The id of the room.
    pub fn room_id(&self) -> &RoomId {
        &self.id
    }

    /// The current host.
    pub fn host(&self) -> &UserId {
        &self.host
    }

    /// The co-hosts.
    pub fn co_hosts(&self) -> &BTreeSet<UserId> {
        &self.co_hosts
    }

    /// The members in the order of joining. For a closed room, those at the time of closing.
    pub fn members(&self) -> &[UserId] {
        &self.members
    }

    /// The maximum number of members.
    pub fn max_members(&self) -> u32 {
        self.max_members
    }

    /// The users who were kicked and cannot join again.
    pub fn kicked(&self) -> &BTreeSet<UserId> {
        &self.kicked
    }

    /// The hash (argon2id, PHC form) that a password must match to join. None for an unlocked room.
    pub fn password_hash(&self) -> Option<&str> {
        self.password_hash.as_deref()
    }

    /// The pinned messages, the oldest pin first.
    pub fn pins(&self) -> &[MessageId] {
        &self.pins
    }

    /// The time at which the room closes by itself.
    pub fn closes_at(&self) -> DateTime<Utc> {
        self.closes_at
    }

    /// The next time at which something is due: the warning that the room closes soon, or its end.
    pub fn next_deadline(&self) -> DateTime<Utc> {
        self.warns_at.unwrap_or(self.closes_at)
    }

    /// The first deadline of a room that opens and closes at these times.
    pub fn first_deadline(opened_at: DateTime<Utc>, closes_at: DateTime<Utc>) -> DateTime<Utc> {
        Self::warning(opened_at, closes_at).unwrap_or(closes_at)
    }

    /// Returns the deadline after an extension. The service arms the timer for it before the decision.
    pub fn extended(closes_at: DateTime<Utc>, hours: ExtensionHours) -> DateTime<Utc> {
        closes_at + TimeDelta::hours(i64::from(hours.get()))
    }

    /// The time of the warning, unless the room is too short for it.
    fn warning(opened_at: DateTime<Utc>, closes_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(closes_at - CLOSING_WARNING).filter(|at| *at >= opened_at + EARLIEST_WARNING)
    }

    /// True after `RoomClosed`.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// True if this user is a member.
    pub fn has_member(&self, user_id: &UserId) -> bool {
        self.members.contains(user_id)
    }

    /// True if this user is the host or a co-host.
    pub fn is_moderator(&self, user_id: &UserId) -> bool {
        self.host == *user_id || self.co_hosts.contains(user_id)
    }

    /// The least time between two messages of this member. None without a limit.
    pub fn slow_mode_of(&self, user_id: &UserId) -> Option<TimeDelta> {
        let is_limited = self.slow_mode > 0 && !self.closed && !self.is_moderator(user_id);
        is_limited.then(|| TimeDelta::seconds(i64::from(self.slow_mode)))
    }

    /// The member who becomes the host when the host leaves: the longest-standing co-host, or the longest-standing
    /// member.
    pub(super) fn successor(&self, of: &UserId) -> Option<&UserId> {
        let others = || self.members.iter().filter(|member| *member != of);
        others().find(|member| self.co_hosts.contains(*member)).or_else(|| others().next())
    }
}
