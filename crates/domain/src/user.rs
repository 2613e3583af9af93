//! The aggregate of a user: nickname, devices, wishes about notifications. Credentials are not here.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{DeviceId, UserId},
    values::{Nickname, PushToken},
};

#[cfg(test)]
mod tests;

/// How many devices of a user may receive push messages.
pub const MAX_DEVICES: usize = 10;

/// What a user can be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// Somebody answered my message.
    Reply,
    /// Somebody reacted to my message.
    Reaction,
    /// Somebody wrote `@` and my user id.
    Mention,
    /// I was kicked.
    Kicked,
    /// I am the host now.
    MadeHost,
    /// My room was closed.
    RoomClosed,
    /// The food is in the box.
    OrderArrived,
}

impl AlarmKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Reaction => "reaction",
            Self::Mention => "mention",
            Self::Kicked => "kicked",
            Self::MadeHost => "made_host",
            Self::RoomClosed => "room_closed",
            Self::OrderArrived => "order_arrived",
        }
    }
}

/// Which kinds a user wants to be pushed; a kind that is absent is wanted.
pub type NotificationPreferences = BTreeMap<AlarmKind, bool>;

/// A command to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCommand {
    /// Becomes a user.
    RegisterUser {
        /// The chosen id.
        user_id: UserId,
        /// The chosen name.
        nickname: Nickname,
    },
    /// Takes another name.
    ChangeNickname {
        /// The new name.
        nickname: Nickname,
    },
    /// Adds a device, or gives it another address.
    RegisterDevice {
        /// Which of the user's devices.
        device_id: DeviceId,
        /// Its address at the push provider.
        push_token: PushToken,
    },
    /// Removes a device.
    RemoveDevice {
        /// Which of the user's devices.
        device_id: DeviceId,
    },
    /// Replaces the wishes about notifications.
    SetNotificationPreferences {
        /// All of them.
        preferences: NotificationPreferences,
    },
    /// Goes for good.
    EraseUser,
}

/// An event of a user. The serde names of variants and fields are stored; never rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum UserEvent {
    /// Somebody became a user.
    UserRegistered {
        /// The chosen id.
        user_id: UserId,
        /// The chosen name.
        nickname: String,
    },
    /// A user is called differently now.
    NicknameChanged {
        /// The new name.
        nickname: String,
    },
    /// A device receives push messages at this address.
    DeviceRegistered {
        /// Which of the user's devices.
        device_id: DeviceId,
        /// Its address at the push provider.
        push_token: String,
    },
    /// A device receives nothing any more.
    DeviceRemoved {
        /// Which of the user's devices.
        device_id: DeviceId,
    },
    /// The user has other wishes.
    NotificationPreferencesSet {
        /// All of them.
        preferences: NotificationPreferences,
    },
    /// The user is gone; the id stays taken.
    UserErased {},
}

impl UserEvent {
    /// Every stored name; never rename.
    pub const TYPES: [&'static str; 6] = [
        "user_registered",
        "nickname_changed",
        "device_registered",
        "device_removed",
        "notification_preferences_set",
        "user_erased",
    ];

    /// The stored name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserRegistered { .. } => "user_registered",
            Self::NicknameChanged { .. } => "nickname_changed",
            Self::DeviceRegistered { .. } => "device_registered",
            Self::DeviceRemoved { .. } => "device_removed",
            Self::NotificationPreferencesSet { .. } => "notification_preferences_set",
            Self::UserErased {} => "user_erased",
        }
    }
}

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// A refusal; its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserRefusal {
    /// The id is taken, or reserved.
    #[error("this user id is taken")]
    UserExists,
    /// The name is taken by somebody else.
    #[error("this nickname is taken")]
    NicknameTaken,
    /// No such user, or not any more.
    #[error("there is no such user")]
    UserNotFound,
    /// No such device.
    #[error("there is no such device")]
    DeviceNotFound,
    /// Ten are the most.
    #[error("a user can have at most 10 devices")]
    TooManyDevices,
}

/// A user: what the next decision needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct User {
    registered: bool,
    erased: bool,
    nickname: String,
    devices: BTreeSet<DeviceId>,
}

impl User {
    /// The name that is claimed for this user; none before the registration and after the erase.
    pub fn nickname(&self) -> Option<&str> {
        (self.registered && !self.erased).then_some(self.nickname.as_str())
    }

    /// Whether the id was ever registered; it stays taken after the erase.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether the user is gone for good.
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    /// Decides what a command makes happen; nothing happens where the wish is fulfilled already.
    pub fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        if let UserCommand::RegisterUser { user_id, nickname } = command {
            if self.registered || user_id.is_reserved() {
                return Err(UserRefusal::UserExists);
            }
            return Ok(vec![UserEvent::UserRegistered { user_id, nickname: nickname.into() }]);
        }
        if !self.registered || self.erased {
            return Err(UserRefusal::UserNotFound);
        }
        match command {
            UserCommand::RegisterUser { .. } => Ok(vec![]),
            UserCommand::ChangeNickname { nickname } if nickname.as_str() == self.nickname => Ok(vec![]),
            UserCommand::ChangeNickname { nickname } => {
                Ok(vec![UserEvent::NicknameChanged { nickname: nickname.into() }])
            }
            UserCommand::RegisterDevice { device_id, push_token } => {
                if !self.devices.contains(&device_id) && self.devices.len() >= MAX_DEVICES {
                    return Err(UserRefusal::TooManyDevices);
                }
                Ok(vec![UserEvent::DeviceRegistered { device_id, push_token: push_token.into() }])
            }
            UserCommand::RemoveDevice { device_id } if !self.devices.contains(&device_id) => {
                Err(UserRefusal::DeviceNotFound)
            }
            UserCommand::RemoveDevice { device_id } => Ok(vec![UserEvent::DeviceRemoved { device_id }]),
            UserCommand::SetNotificationPreferences { preferences } => {
                Ok(vec![UserEvent::NotificationPreferencesSet { preferences }])
            }
            UserCommand::EraseUser => Ok(vec![UserEvent::UserErased {}]),
        }
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
            UserEvent::DeviceRegistered { device_id, .. } => {
                self.devices.insert(device_id);
            }
            UserEvent::DeviceRemoved { device_id } => {
                self.devices.remove(&device_id);
            }
            UserEvent::NotificationPreferencesSet { .. } => {}
            UserEvent::UserErased {} => {
                self.erased = true;
                self.nickname.clear();
                self.devices.clear();
            }
        }
    }
}
