//! The projector's notifications about committed changes, passed on to those who push them. They may be lost: each
//! receiver also reads.

use std::{convert::Infallible, sync::Arc};

use async_nats::{Client, Message};
use domain::{Position, RoomId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    alarms::Alarm,
    hub::Hub,
    listening::listen,
    lobby::{Lobby, LobbyChange},
    users::{RoomChange, Users},
};
use crate::generation::{Generation, Generations};

/// A change in a notification.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change<'a> {
    /// A new event of a room's feed.
    Event {
        room_id: RoomId,
        trace: Option<&'a str>,
        #[serde(borrow)]
        event: &'a RawValue,
    },
    /// A change of users' own view of a room.
    Room(RoomChange),
    /// A change of a room's public details.
    Lobby(LobbyChange),
    /// An alarm is new, has changed or was withdrawn.
    Alarm { user_id: UserId, alarm: Alarm },
    /// The alarms of a user must be read again.
    StaleAlarms { user_id: UserId },
    /// Everything up to this position is readable.
    Position(String),
}

fn parse(notification: &[u8]) -> serde_json::Result<Vec<Change<'_>>> {
    serde_json::from_slice(notification)
}

/// Those who push changes to connections.
pub(super) struct Receivers {
    pub(super) hub: Arc<Hub>,
    pub(super) users: Arc<Users>,
    pub(super) lobby: Arc<Lobby>,
}

impl Receivers {
    /// Passes notifications on until dropped.
    pub(super) async fn receive(self, nats: Client, generations: Generations) -> Infallible {
        let subscribed = || {
            self.hub.compare_soon();
            self.users.forget_counts();
            self.lobby.mark_all_stale();
        };
        let on_notification = |generation: &Generation, message: &Message| match parse(&message.payload) {
            Ok(changes) => self.pass_on(generation, changes),
            Err(error) => {
                tracing::warn!(%error, "malformed notification");
                subscribed();
            }
        };
        listen(&nats, &generations, subscribed, on_notification).await
    }

    fn pass_on(&self, generation: &Generation, changes: Vec<Change<'_>>) {
        let (mut of_rooms, mut of_lobby) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Event { room_id, trace, event } => self.hub.deliver(&room_id, trace, event.get()),
                Change::Room(change) => of_rooms.push(change),
                Change::Lobby(change) => of_lobby.push(change),
                Change::Alarm { user_id, alarm } => self.users.on_alarm(&user_id, alarm),
                Change::StaleAlarms { user_id } => self.users.on_stale_alarms(&user_id),
                Change::Position(position) => match position.parse::<Position>() {
                    Ok(position) => generation.record_progress(position),
                    Err(error) => tracing::warn!(%error, "malformed position"),
                },
            }
        }
        if !of_rooms.is_empty() {
            self.users.on_room_changes(of_rooms);
        }
        if !of_lobby.is_empty() {
            self.lobby.on_changes(&of_lobby);
        }
    }
}
