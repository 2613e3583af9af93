//! Users and their devices.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{DeviceId, RoomId, UserEvent, UserId};
use read_model::CONTROL_CHANNEL;
use serde_json::json;
use sqlx::{PgConnection, query};

use super::{
    cell::Cells,
    error::{InvalidEvent, ProjectionError, foreign_commit},
    outcome::Changes,
    table::{Loaded, write},
    tables::{Device, UserRow},
    write::column,
};
use crate::commit::{Commit, Content};

#[derive(Debug, Default)]
struct Users {
    rows: BTreeMap<UserId, UserRow>,
    changed: BTreeSet<UserId>,
    /// Users whose devices, muted rooms and blocks are all deleted, before those in `devices`, `muted` and `blocked`
    /// are written.
    erased: BTreeSet<UserId>,
    /// True if a user was suspended.
    suspended: bool,
    /// The changed devices; `None` if removed.
    devices: BTreeMap<(UserId, DeviceId), Option<Device>>,
    /// The rooms that were muted or unmuted.
    muted: BTreeMap<(UserId, RoomId), bool>,
    /// The users who were blocked at a time, or unblocked, each after the user who did it.
    blocked: BTreeMap<(UserId, UserId), Option<DateTime<Utc>>>,
    /// The sequences in streams of boxes up to which alarms were read.
    alarms_read: BTreeMap<(UserId, String), u64>,
}

pub(super) async fn project_users(
    connection: &mut PgConnection,
    commits: &[Commit],
) -> Result<Changes, ProjectionError> {
    let mut users = Users::default();
    users.load(connection, commits).await?;
    for commit in commits {
        match &commit.content {
            Content::User { user_id, events } => {
                for event in events {
                    users.apply(user_id, commit, event).map_err(|error| ProjectionError::Stuck {
                        sequence: commit.sequence,
                        reason: error.to_string(),
                    })?;
                }
            }
            Content::Claim => {}
            Content::Box { .. }
            | Content::Store { .. }
            | Content::Filters { .. }
            | Content::Report { .. }
            | Content::Mark { .. }
            | Content::Unreadable { .. } => {
                return Err(foreign_commit(commit));
            }
        }
    }
    users.write(connection).await?;
    if users.suspended || !users.erased.is_empty() {
        // The eraser waits for it.
        query!("select pg_notify($1, 'users') as sent", CONTROL_CHANNEL).fetch_one(connection).await?;
    }
    let with_blocks = users.blocked.into_keys().map(|(user_id, _)| user_id);
    let stale_alarms = users.alarms_read.into_keys().map(|(user_id, _)| user_id).chain(with_blocks).collect();
    Ok(Changes { stale_alarms, ..Changes::default() })
}

impl UserRow {
    /// The row of a user without a nickname.
    fn new(registered_at: DateTime<Utc>) -> Self {
        Self {
            nickname: None,
            registered_at,
            notification_preferences: json!({}),
            share_read_markers: true,
            quiet_hours: None,
            suspended_at: None,
            suspended_until: None,
            suspension_reason: None,
        }
    }
}

impl Users {
    async fn load(&mut self, connection: &mut PgConnection, commits: &[Commit]) -> Result<(), sqlx::Error> {
        let touched: BTreeSet<&str> = commits
            .iter()
            .filter_map(|commit| match &commit.content {
                Content::User { user_id, .. } => Some(user_id.as_str()),
                Content::Box { .. }
                | Content::Claim
                | Content::Store { .. }
                | Content::Filters { .. }
                | Content::Report { .. }
                | Content::Mark { .. }
                | Content::Unreadable { .. } => None,
            })
            .collect();
        let touched: Vec<&str> = touched.into_iter().collect();
        let rows = query(UserRow::select(&["user_id"], &["user_id"])).bind(touched).fetch_all(connection).await?;
        for mut cells in rows.iter().map(Cells::of) {
            let row = UserRow::read(&mut cells)?;
            self.rows.insert(cells.read()?, row);
        }
        Ok(())
    }

    fn change(&mut self, user_id: &UserId) -> Result<&mut UserRow, InvalidEvent> {
        self.changed.insert(user_id.clone());
        self.rows.get_mut(user_id).ok_or_else(|| InvalidEvent(format!("there is no user {user_id}")))
    }

    fn apply(&mut self, user_id: &UserId, commit: &Commit, event: &UserEvent) -> Result<(), InvalidEvent> {
        let at = commit.at;
        match event {
            UserEvent::UserRegistered { user_id: registered, nickname } => {
                if registered != user_id || self.rows.contains_key(user_id) {
                    return Err(InvalidEvent(format!("the user {user_id} cannot be registered as {registered}")));
                }
                let row = UserRow { nickname: Some(nickname.clone()), ..UserRow::new(at) };
                self.rows.insert(user_id.clone(), row);
                self.changed.insert(user_id.clone());
            }
            UserEvent::NicknameChanged { nickname } => self.change(user_id)?.nickname = Some(nickname.clone()),
            UserEvent::DeviceRegistered { device_id, provider, target, locale } => {
                let (provider, target, locale) = (provider.as_str().to_owned(), target.clone(), locale.clone());
                let device = Device { provider, target, locale, registered_at: at };
                self.devices.insert((user_id.clone(), device_id.clone()), Some(device));
            }
            UserEvent::DeviceRemoved { device_id } => {
                self.devices.insert((user_id.clone(), device_id.clone()), None);
            }
            UserEvent::NotificationPreferencesSet { preferences } => {
                self.change(user_id)?.notification_preferences = json!(preferences);
            }
            UserEvent::QuietHoursSet { time_zone, from, to } => {
                self.change(user_id)?.quiet_hours = Some(json!({ "time_zone": time_zone, "from": from, "to": to }));
            }
            UserEvent::QuietHoursRemoved {} => self.change(user_id)?.quiet_hours = None,
            UserEvent::ReadMarkerSharingSet { shared } => self.change(user_id)?.share_read_markers = *shared,
            UserEvent::RoomMuted { room_id } => {
                self.muted.insert((user_id.clone(), room_id.clone()), true);
            }
            UserEvent::RoomUnmuted { room_id } => {
                self.muted.insert((user_id.clone(), room_id.clone()), false);
            }
            UserEvent::UserBlocked { user_id: other } => {
                self.blocked.insert((user_id.clone(), other.clone()), Some(at));
            }
            UserEvent::UserUnblocked { user_id: other } => {
                self.blocked.insert((user_id.clone(), other.clone()), None);
            }
            UserEvent::AlarmsRead { up_to } => {
                let read = up_to.iter().map(|(stream, sequence)| ((user_id.clone(), stream.clone()), *sequence));
                self.alarms_read.extend(read);
            }
            UserEvent::UserSuspended { until } => self.suspend(user_id, at, *until, commit.reason.as_deref()),
            UserEvent::UserReinstated {} => self.reinstate(user_id),
            UserEvent::PasswordResetIssued { .. } => {}
            UserEvent::UserErased {} => {
                self.changed.insert(user_id.clone());
                // A user who was never registered is erased like others, if it has written anything.
                let row = self.rows.entry(user_id.clone()).or_insert_with(|| UserRow::new(at));
                (row.nickname, row.notification_preferences, row.quiet_hours) = (None, json!({}), None);
                (row.suspended_at, row.suspended_until, row.suspension_reason) = (None, None, None);
                // Rooms may show the user until the erasure has reached their boxes.
                row.share_read_markers = false;
                self.devices.retain(|(owner, _), _| owner != user_id);
                self.muted.retain(|(owner, _), _| owner != user_id);
                self.blocked.retain(|(blocker, _), _| blocker != user_id);
                self.alarms_read.retain(|(reader, _), _| reader != user_id);
                self.erased.insert(user_id.clone());
            }
        }
        Ok(())
    }

    /// Suspends a user. A moderator's account is not a user, and has no row.
    fn suspend(&mut self, user_id: &UserId, at: DateTime<Utc>, until: Option<DateTime<Utc>>, reason: Option<&str>) {
        if let Ok(row) = self.change(user_id) {
            (row.suspended_at, row.suspended_until) = (Some(at), until);
            row.suspension_reason = reason.map(str::to_owned);
            self.suspended = true;
        }
    }

    fn reinstate(&mut self, user_id: &UserId) {
        if let Ok(row) = self.change(user_id) {
            (row.suspended_at, row.suspended_until, row.suspension_reason) = (None, None, None);
        }
    }

    async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.iter().filter_map(|user_id| Some((user_id, self.rows.get(user_id)?)));
        let rows: Vec<_> = rows.collect();
        write(connection, rows).await?;
        self.remove_erased(connection).await?;
        self.remove_devices(connection).await?;
        self.write_devices(connection).await?;
        self.write_muted_rooms(connection).await?;
        self.write_blocks(connection).await?;
        let read = self.alarms_read.iter().map(|((user_id, stream), up_to)| (user_id, stream.as_str(), *up_to));
        write(connection, read.collect::<Vec<_>>()).await
    }

    async fn remove_erased(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.erased.is_empty() {
            let erased: Vec<&str> = self.erased.iter().map(UserId::as_str).collect();
            query!("delete from devices where user_id = any($1)", &erased as &[&str]).execute(&mut *connection).await?;
            query!("delete from alarms_read where user_id = any($1)", &erased as &[&str]).execute(connection).await?;
        }
        Ok(())
    }

    async fn remove_devices(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let removed = self.devices.iter().filter(|(_, device)| device.is_none());
        let removed: Vec<&(UserId, DeviceId)> = removed.map(|(key, _)| key).collect();
        if !removed.is_empty() {
            query!(
                "delete from devices
                 using unnest($1::text[], $2::text[]) as gone (user_id, device_id)
                 where devices.user_id = gone.user_id
                   and devices.device_id = gone.device_id",
                &column(&removed, |(user_id, _)| user_id.as_str()) as &[&str],
                &column(&removed, |(_, device_id)| device_id.as_str()) as &[&str],
            )
            .execute(connection)
            .await?;
        }
        Ok(())
    }

    async fn write_devices(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.devices.iter().filter_map(|((user_id, id), device)| Some((user_id, id, device.as_ref()?)));
        let rows: Vec<_> = rows.collect();
        write(connection, rows).await
    }

    /// Deletes all rows that have changed, so that those that remain are new.
    async fn write_muted_rooms(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let erased: Vec<&str> = self.erased.iter().map(UserId::as_str).collect();
        let changed: Vec<_> = self.muted.keys().collect();
        if changed.is_empty() && erased.is_empty() {
            return Ok(());
        }
        query!(
            "delete from muted_rooms
             where user_id = any($3)
                or (user_id, room_id) in (select * from unnest($1::text[], $2::text[]))",
            &column(&changed, |(user_id, _)| user_id.as_str()) as &[&str],
            &column(&changed, |(_, room_id)| room_id.to_string()),
            &erased as &[&str],
        )
        .execute(&mut *connection)
        .await?;
        let muted =
            self.muted.iter().filter(|(_, is_muted)| **is_muted).map(|((user_id, room_id), _)| (user_id, room_id));
        write(connection, muted.collect::<Vec<_>>()).await
    }

    /// Deletes all rows that have changed, so that those that remain are new.
    async fn write_blocks(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let erased: Vec<&str> = self.erased.iter().map(UserId::as_str).collect();
        let changed: Vec<_> = self.blocked.keys().collect();
        if changed.is_empty() && erased.is_empty() {
            return Ok(());
        }
        query!(
            "delete from blocks
             where user_id = any($3)
                or (user_id, blocked) in (select * from unnest($1::text[], $2::text[]))",
            &column(&changed, |(user_id, _)| user_id.as_str()) as &[&str],
            &column(&changed, |(_, blocked)| blocked.as_str()) as &[&str],
            &erased as &[&str],
        )
        .execute(&mut *connection)
        .await?;
        let blocked = self.blocked.iter().filter_map(|((user_id, other), at)| Some((user_id, other, (*at)?)));
        write(connection, blocked.collect::<Vec<_>>()).await
    }
}
