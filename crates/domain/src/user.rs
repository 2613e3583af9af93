//! The aggregate of a user: nickname, devices, notification preferences, quiet hours, muted rooms. Credentials are kept
//! elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{DeviceId, RoomId, UserId},
    named_events::named_events,
    position::Position,
    position_vector::{MAX_STREAMS, PositionVector},
    values::{Locale, Nickname, PushProvider, PushTarget, QuietHours, TargetHash},
};

#[cfg(test)]
mod tests;

/// The maximum number of a user's devices that receive push messages.
pub const MAX_DEVICES: usize = 10;

/// The maximum number of rooms that a user has muted. Muting another one unmutes the oldest.
pub const MAX_MUTED_ROOMS: usize = 200;

/// The maximum number of users that a user has blocked.
pub const MAX_BLOCKED_USERS: usize = 500;

/// The kinds of alarms that a user can receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// Another user replied to the user's message.
    Reply,
    /// Another user reacted to the user's message.
    Reaction,
    /// Another user mentioned the user in a message, or the host mentioned all members.
    Mention,
    /// The user was kicked.
    Kicked,
    /// The user became the host.
    MadeHost,
    /// The user's room closes by itself in ten minutes.
    ClosingSoon,
    /// The user's room was closed.
    RoomClosed,
    /// The food is in the box.
    OrderArrived,
    /// The user's room was extended.
    RoomExtended,
    /// The door of the box was opened.
    DoorOpened,
    /// Another user posted the first message in the user's room after 30 minutes without one.
    MessageAfterSilence,
}

impl AlarmKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Reply,
        Self::Reaction,
        Self::Mention,
        Self::Kicked,
        Self::MadeHost,
        Self::ClosingSoon,
        Self::RoomClosed,
        Self::OrderArrived,
        Self::RoomExtended,
        Self::DoorOpened,
        Self::MessageAfterSilence,
    ];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Reaction => "reaction",
            Self::Mention => "mention",
            Self::Kicked => "kicked",
            Self::MadeHost => "made_host",
            Self::ClosingSoon => "closing_soon",
            Self::RoomClosed => "room_closed",
            Self::OrderArrived => "order_arrived",
            Self::RoomExtended => "room_extended",
            Self::DoorOpened => "door_opened",
            Self::MessageAfterSilence => "message_after_silence",
        }
    }
}

/// The kinds of alarms that a user wants as push messages. An absent kind is wanted.
pub type NotificationPreferences = BTreeMap<AlarmKind, bool>;

/// A command to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// Registers a user.
    RegisterUser {
        /// The chosen id.
        user_id: UserId,
        /// The chosen name.
        nickname: Nickname,
    },
    /// Changes the nickname.
    ChangeNickname {
        /// The new name.
        nickname: Nickname,
    },
    /// Adds a device, or replaces its push address and language.
    RegisterDevice {
        /// The id of the device.
        device_id: DeviceId,
        /// The device's address at its push provider.
        target: PushTarget,
        /// The language of the device's push messages.
        locale: Locale,
    },
    /// Removes a device.
    RemoveDevice {
        /// The id of the device.
        device_id: DeviceId,
        /// The push address that it must have. Without effect if it was registered with another one since.
        target: Option<TargetHash>,
    },
    /// Replaces the notification preferences.
    SetNotificationPreferences {
        /// The complete preferences.
        preferences: NotificationPreferences,
    },
    /// Sets the quiet hours, or replaces them.
    SetQuietHours {
        /// The quiet hours.
        quiet_hours: QuietHours,
    },
    /// Removes the quiet hours.
    RemoveQuietHours,
    /// Shows the user's read markers to other members, or hides them.
    ShareReadMarkers {
        /// True to show them.
        shared: bool,
    },
    /// Mutes a room.
    MuteRoom {
        /// The room.
        room_id: RoomId,
    },
    /// Unmutes a room.
    UnmuteRoom {
        /// The room.
        room_id: RoomId,
    },
    /// Blocks another user.
    BlockUser {
        /// The other user. The caller of the command is not one.
        user_id: UserId,
    },
    /// Unblocks another user.
    UnblockUser {
        /// The other user.
        user_id: UserId,
    },
    /// Marks the user's alarms as read.
    ReadAlarms {
        /// The position in each stream of boxes up to which alarms are read.
        up_to: PositionVector,
    },
    /// Suspends the user, or changes the end of the suspension.
    SuspendUser {
        /// The end of the suspension. None for one without an end.
        until: Option<DateTime<Utc>>,
        /// True if the id is that of a moderator's account, which is not a registered user.
        is_moderator: bool,
        /// The time of receipt.
        at: DateTime<Utc>,
    },
    /// Ends the suspension.
    ReinstateUser,
    /// Records that an operator gives the user a token for setting a new password.
    IssuePasswordReset {
        /// The time at which the token expires.
        expires_at: DateTime<Utc>,
    },
    /// Erases the user permanently.
    EraseUser,
}

named_events! {
    /// An event of a user. The serde names of variants and fields are stored; never rename.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data", rename_all = "snake_case")]
    UserEvent {
        /// A user was registered.
        UserRegistered = "user_registered" {
            /// The chosen id.
            user_id: UserId,
            /// The chosen name.
            nickname: String,
        }
        /// The nickname was changed.
        NicknameChanged = "nickname_changed" {
            /// The new name.
            nickname: String,
        }
        /// A device was added, or its push address and language were replaced.
        DeviceRegistered = "device_registered" {
            /// The id of the device.
            device_id: DeviceId,
            /// The push provider.
            provider: PushProvider,
            /// The device's address at the push provider: the token, or the subscription as JSON.
            target: String,
            /// The language of the device's push messages, a tag of BCP 47.
            locale: String,
        }
        /// A device was removed.
        DeviceRemoved = "device_removed" {
            /// The id of the device.
            device_id: DeviceId,
        }
        /// The notification preferences were replaced.
        NotificationPreferencesSet = "notification_preferences_set" {
            /// The complete preferences.
            preferences: NotificationPreferences,
        }
        /// The quiet hours were set or replaced.
        QuietHoursSet = "quiet_hours_set" {
            /// The name of the time zone in the IANA database.
            time_zone: String,
            /// The first quiet minute, in hours and minutes.
            from: String,
            /// The minute after the last quiet one. It may be on the next day.
            to: String,
        }
        /// The quiet hours were removed.
        QuietHoursRemoved = "quiet_hours_removed" {}
        /// The user's read markers are shown to other members from now on, or are hidden.
        ReadMarkerSharingSet = "read_marker_sharing_set" {
            /// True if they are shown, as they are at first.
            shared: bool,
        }
        /// The user does not want to be disturbed by a room.
        RoomMuted = "room_muted" {
            /// The room.
            room_id: RoomId,
        }
        /// The room is not muted any more: the user has unmuted it, or has muted too many others later.
        RoomUnmuted = "room_unmuted" {
            /// The room.
            room_id: RoomId,
        }
        /// The user does not want to be disturbed by another user, who does not learn it.
        UserBlocked = "user_blocked" {
            /// The other user.
            user_id: UserId,
        }
        /// The other user is not blocked any more.
        UserUnblocked = "user_unblocked" {
            /// The other user.
            user_id: UserId,
        }
        /// Alarms of the user were marked as read.
        AlarmsRead = "alarms_read" {
            /// The sequence in each stream of boxes up to which alarms are read, for streams in which it is new.
            up_to: BTreeMap<String, u64>,
        }
        /// The user was suspended, or the suspension has another end from now on. The user can neither sign in nor
        /// join, open or post, and leaves all open rooms.
        UserSuspended = "user_suspended" {
            /// The end of the suspension. Absent for one without an end.
            until: Option<DateTime<Utc>>,
        }
        /// The suspension of the user was ended.
        UserReinstated = "user_reinstated" {}
        /// An operator was given a token with which the user can set a new password once.
        PasswordResetIssued = "password_reset_issued" {
            /// The time at which the token expires.
            expires_at: DateTime<Utc>,
        }
        /// The user was erased, registered before or not. The id stays taken.
        UserErased = "user_erased" {}
    }
}

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        match self {
            Self::DeviceRegistered { .. } => "2",
            Self::UserRegistered { .. }
            | Self::NicknameChanged { .. }
            | Self::DeviceRemoved { .. }
            | Self::NotificationPreferencesSet { .. }
            | Self::QuietHoursSet { .. }
            | Self::QuietHoursRemoved {}
            | Self::ReadMarkerSharingSet { .. }
            | Self::RoomMuted { .. }
            | Self::RoomUnmuted { .. }
            | Self::UserBlocked { .. }
            | Self::UserUnblocked { .. }
            | Self::AlarmsRead { .. }
            | Self::UserSuspended { .. }
            | Self::UserReinstated {}
            | Self::PasswordResetIssued { .. }
            | Self::UserErased {} => "1",
        }
        .to_owned()
    }
}

/// A refusal. Its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    /// The id is taken, or reserved.
    #[error("this user id is taken")]
    UserExists,
    /// Another user has the name.
    #[error("this nickname is taken")]
    NicknameTaken,
    /// The user does not exist, or was erased.
    #[error("there is no such user")]
    UserNotFound,
    /// No such device.
    #[error("there is no such device")]
    DeviceNotFound,
    /// A user has at most ten devices.
    #[error("a user can have at most 10 devices")]
    TooManyDevices,
    /// A user has blocked at most 500 others.
    #[error("a user can block at most 500 others: unblock one first")]
    TooManyBlockedUsers,
}

/// The state of a user: only what the decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, stored under their names")]
pub struct User {
    registered: bool,
    erased: bool,
    nickname: String,
    devices: BTreeSet<DeviceId>,
    /// The push addresses of the devices. Those in the state of an earlier release have none.
    #[serde(default)]
    targets: BTreeMap<DeviceId, TargetHash>,
    #[serde(default)]
    has_quiet_hours: bool,
    #[serde(default)]
    hides_read_markers: bool,
    /// The muted rooms in the order of muting.
    #[serde(default)]
    muted_rooms: Vec<RoomId>,
    #[serde(default)]
    blocked_users: BTreeSet<UserId>,
    /// The sequence in each stream of boxes up to which alarms are read.
    #[serde(default)]
    alarms_read: BTreeMap<String, u64>,
    /// The suspension, which may have ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suspension: Option<Suspension>,
}

/// The suspension of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Suspension {
    until: Option<DateTime<Utc>>,
}

impl User {
    /// The nickname that is claimed for this user. None before the registration and after the erasure.
    pub fn nickname(&self) -> Option<&str> {
        (self.registered && !self.erased).then_some(self.nickname.as_str())
    }

    /// True if the id is taken: it was ever registered or erased.
    pub fn is_taken(&self) -> bool {
        self.registered || self.erased
    }

    /// True if the user was erased.
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    /// True if the user is suspended at this time.
    pub fn is_suspended(&self, at: DateTime<Utc>) -> bool {
        self.suspension.is_some_and(|suspension| suspension.until.is_none_or(|until| at < until))
    }

    /// Decides which events a command causes. Returns none if the requested state already holds.
    pub fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        if let UserCommand::RegisterUser { user_id, nickname } = command {
            if self.is_taken() || user_id.is_reserved() {
                return Err(UserRefusal::UserExists);
            }
            return Ok(vec![UserEvent::UserRegistered { user_id, nickname: nickname.into() }]);
        }
        // A user who was never registered may have written, with a token of an external issuer.
        if command == UserCommand::EraseUser && !self.erased {
            return Ok(vec![UserEvent::UserErased {}]);
        }
        // A moderator is no registered user, and may have the id of an erased one.
        let is_moderator = matches!(command, UserCommand::SuspendUser { is_moderator: true, .. })
            || matches!(command, UserCommand::ReinstateUser) && self.suspension.is_some();
        if !is_moderator && (self.erased || !self.registered) {
            return Err(UserRefusal::UserNotFound);
        }
        match command {
            UserCommand::RegisterUser { .. } | UserCommand::EraseUser => Ok(vec![]),
            UserCommand::SuspendUser { until, at, .. } => {
                let is_same = self.is_suspended(at) && self.suspension == Some(Suspension { until });
                Ok(if is_same { vec![] } else { vec![UserEvent::UserSuspended { until }] })
            }
            UserCommand::ReinstateUser if self.suspension.is_none() => Ok(vec![]),
            UserCommand::ReinstateUser => Ok(vec![UserEvent::UserReinstated {}]),
            UserCommand::IssuePasswordReset { expires_at } => Ok(vec![UserEvent::PasswordResetIssued { expires_at }]),
            UserCommand::ChangeNickname { nickname } if nickname.as_str() == self.nickname => Ok(vec![]),
            UserCommand::ChangeNickname { nickname } => {
                Ok(vec![UserEvent::NicknameChanged { nickname: nickname.into() }])
            }
            UserCommand::RegisterDevice { device_id, target, locale } => {
                if !self.devices.contains(&device_id) && self.devices.len() >= MAX_DEVICES {
                    return Err(UserRefusal::TooManyDevices);
                }
                let provider = target.provider();
                let (target, locale) = (target.into(), locale.into());
                Ok(vec![UserEvent::DeviceRegistered { device_id, provider, target, locale }])
            }
            UserCommand::RemoveDevice { device_id, .. } if !self.devices.contains(&device_id) => {
                Err(UserRefusal::DeviceNotFound)
            }
            UserCommand::RemoveDevice { device_id, target: Some(target) }
                if self.targets.get(&device_id).is_some_and(|current| *current != target) =>
            {
                Ok(vec![])
            }
            UserCommand::RemoveDevice { device_id, .. } => Ok(vec![UserEvent::DeviceRemoved { device_id }]),
            UserCommand::SetNotificationPreferences { preferences } => {
                Ok(vec![UserEvent::NotificationPreferencesSet { preferences }])
            }
            UserCommand::SetQuietHours { quiet_hours } => Ok(vec![UserEvent::QuietHoursSet {
                time_zone: quiet_hours.time_zone().into(),
                from: quiet_hours.from().into(),
                to: quiet_hours.to().into(),
            }]),
            UserCommand::RemoveQuietHours if !self.has_quiet_hours => Ok(vec![]),
            UserCommand::RemoveQuietHours => Ok(vec![UserEvent::QuietHoursRemoved {}]),
            UserCommand::ShareReadMarkers { shared } if shared != self.hides_read_markers => Ok(vec![]),
            UserCommand::ShareReadMarkers { shared } => Ok(vec![UserEvent::ReadMarkerSharingSet { shared }]),
            UserCommand::MuteRoom { room_id } if self.muted_rooms.contains(&room_id) => Ok(vec![]),
            UserCommand::MuteRoom { room_id } => {
                let excess = (self.muted_rooms.len() + 1).saturating_sub(MAX_MUTED_ROOMS);
                let oldest = self.muted_rooms.iter().take(excess).cloned();
                let unmuted = oldest.map(|room_id| UserEvent::RoomUnmuted { room_id });
                Ok(unmuted.chain([UserEvent::RoomMuted { room_id }]).collect())
            }
            UserCommand::UnmuteRoom { room_id } if !self.muted_rooms.contains(&room_id) => Ok(vec![]),
            UserCommand::UnmuteRoom { room_id } => Ok(vec![UserEvent::RoomUnmuted { room_id }]),
            UserCommand::BlockUser { user_id } if self.blocked_users.contains(&user_id) => Ok(vec![]),
            UserCommand::BlockUser { .. } if self.blocked_users.len() >= MAX_BLOCKED_USERS => {
                Err(UserRefusal::TooManyBlockedUsers)
            }
            UserCommand::BlockUser { user_id } => Ok(vec![UserEvent::UserBlocked { user_id }]),
            UserCommand::UnblockUser { user_id } if !self.blocked_users.contains(&user_id) => Ok(vec![]),
            UserCommand::UnblockUser { user_id } => Ok(vec![UserEvent::UserUnblocked { user_id }]),
            UserCommand::ReadAlarms { up_to } => Ok(self.read_alarms(&up_to)),
        }
    }

    /// Returns an event with the streams in which more is read than before.
    fn read_alarms(&self, positions: &PositionVector) -> Vec<UserEvent> {
        let read = |stream: &String| self.alarms_read.get(stream).copied();
        let mut free = MAX_STREAMS.saturating_sub(self.alarms_read.len());
        let mut up_to = BTreeMap::new();
        for Position { stream, sequence, .. } in positions.positions() {
            let is_new = read(stream).is_none();
            if *sequence > read(stream).unwrap_or_default() && (!is_new || free > 0) {
                free -= usize::from(is_new);
                up_to.insert(stream.clone(), *sequence);
            }
        }
        if up_to.is_empty() { vec![] } else { vec![UserEvent::AlarmsRead { up_to }] }
    }
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = UserCommand;
    type Event = UserEvent;
    type Error = UserRefusal;
    type Services = ();

    async fn handle(&mut self, command: UserCommand, (): &(), sink: &EventSink<Self>) -> Result<(), UserRefusal> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: UserEvent) {
        match event {
            UserEvent::UserRegistered { nickname, .. } => {
                self.registered = true;
                self.nickname = nickname;
            }
            UserEvent::NicknameChanged { nickname } => self.nickname = nickname,
            UserEvent::DeviceRegistered { device_id, target, .. } => {
                self.targets.insert(device_id.clone(), TargetHash::of(&target));
                self.devices.insert(device_id);
            }
            UserEvent::DeviceRemoved { device_id } => {
                self.targets.remove(&device_id);
                self.devices.remove(&device_id);
            }
            UserEvent::NotificationPreferencesSet { .. } | UserEvent::PasswordResetIssued { .. } => {}
            UserEvent::QuietHoursSet { .. } => self.has_quiet_hours = true,
            UserEvent::QuietHoursRemoved {} => self.has_quiet_hours = false,
            UserEvent::ReadMarkerSharingSet { shared } => self.hides_read_markers = !shared,
            UserEvent::RoomMuted { room_id } => self.muted_rooms.push(room_id),
            UserEvent::RoomUnmuted { room_id } => self.muted_rooms.retain(|muted| *muted != room_id),
            UserEvent::UserBlocked { user_id } => {
                self.blocked_users.insert(user_id);
            }
            UserEvent::UserUnblocked { user_id } => {
                self.blocked_users.remove(&user_id);
            }
            UserEvent::AlarmsRead { up_to } => self.alarms_read.extend(up_to),
            UserEvent::UserSuspended { until } => self.suspension = Some(Suspension { until }),
            UserEvent::UserReinstated {} => self.suspension = None,
            UserEvent::UserErased {} => {
                self.erased = true;
                self.suspension = None;
                self.nickname.clear();
                self.devices.clear();
                self.targets.clear();
                self.has_quiet_hours = false;
                self.muted_rooms.clear();
                self.blocked_users.clear();
                self.alarms_read.clear();
            }
        }
    }
}
