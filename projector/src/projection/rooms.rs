//! The lifecycle of a room: opened, handed over to another host, closed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{AlarmKind, RoomClosedReason, RoomEvent, RoomId, UserId, values::Step};

use super::{
    alarms::AlarmCause,
    error::InvalidEvent,
    tables::{Member, RoomRow, Standing},
    workspace::{EventContext, Room, Workspace},
};

impl Workspace {
    pub(super) fn open_room(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        event: &RoomEvent,
    ) -> Result<(), InvalidEvent> {
        let RoomEvent::RoomOpened { store_id, title, host, max_members, password_hash, opened_at, closes_at } = event
        else {
            return Ok(());
        };
        if self.rooms.contains_key(room_id) || room_id.box_id() != context.box_id {
            return Err(InvalidEvent(format!("the room {room_id} cannot be opened on box {}", context.box_id)));
        }
        let box_row = self.change_box(context.box_id)?;
        box_row.room_id = Some(room_id.clone());
        let row = RoomRow {
            store_id: store_id.to_string(),
            zip_code: box_row.zip_code.clone(),
            title: title.clone(),
            title_erased: false,
            status: "open".to_owned(),
            closed_reason: None,
            host: host.to_string(),
            member_count: 1,
            max_members: max_members.cast_signed(),
            locked: password_hash.is_some(),
            step: Step::Gathering.as_str().to_owned(),
            opened_at: *opened_at,
            closes_at: *closes_at,
            closed_at: None,
            v: 0,
            last_ordinal: 0,
            last_activity_at: context.at(),
            last_message_at: None,
            title_by: host.to_string(),
            slow_mode_seconds: 0,
            pins: Vec::new(),
            invitations: Vec::new(),
        };
        let first = Member {
            standing: Standing::Inside,
            joined_at: context.at(),
            seat: 1,
            posts: 0,
            co_host: false,
            muted_until: None,
        };
        let members = BTreeMap::from([(host.clone(), first)]);
        self.rooms.insert(room_id.clone(), Room { row, members });
        self.changed.mark_membership(room_id, host);
        Ok(())
    }

    pub(super) fn transfer_host(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        to: &UserId,
    ) -> Result<(), InvalidEvent> {
        self.change_room(room_id)?.row.host = to.to_string();
        let member = self.change_member(room_id, to)?;
        (member.co_host, member.muted_until) = (false, None);
        self.alarm(AlarmCause { context, room_id, kind: AlarmKind::MadeHost, message_id: None }, to);
        Ok(())
    }

    pub(super) fn change_details_of_room(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        event: &RoomEvent,
    ) -> Result<(), InvalidEvent> {
        let RoomEvent::RoomChanged { store_id, title, max_members, password_hash, password_removed } = event else {
            return Ok(());
        };
        let row = &mut self.change_room(room_id)?.row;
        if let Some(store_id) = store_id {
            row.store_id = store_id.to_string();
        }
        if let Some(title) = title {
            title.clone_into(&mut row.title);
            row.title_erased = false;
            row.title_by = context.actor.map(ToString::to_string).unwrap_or_default();
        }
        row.max_members = max_members.map_or(row.max_members, u32::cast_signed);
        row.locked = password_hash.is_some() || row.locked && !password_removed;
        Ok(())
    }

    pub(super) fn close_room(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        reason: RoomClosedReason,
    ) -> Result<(), InvalidEvent> {
        let row = &mut self.change_room(room_id)?.row;
        "closed".clone_into(&mut row.status);
        row.closed_reason = Some(reason.as_str().to_owned());
        row.closed_at = Some(context.at());
        row.last_activity_at = context.at();
        let box_row = self.change_box(context.box_id)?;
        if box_row.room_id.as_ref() == Some(room_id) {
            box_row.room_id = None;
        }
        let Self { rooms, changed, .. } = self;
        for user_id in rooms.get(room_id).into_iter().flat_map(Room::inside) {
            changed.mark_membership(room_id, user_id);
        }
        let cause = AlarmCause { context, room_id, kind: AlarmKind::RoomClosed, message_id: None };
        if reason == RoomClosedReason::Expired {
            self.alarm_all_inside_without_actor(cause)
        } else {
            self.alarm_all_inside(cause)
        }
    }

    pub(super) fn extend_room(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        closes_at: DateTime<Utc>,
    ) -> Result<(), InvalidEvent> {
        self.change_room(room_id)?.row.closes_at = closes_at;
        self.alarm_all_inside(AlarmCause { context, room_id, kind: AlarmKind::RoomExtended, message_id: None })
    }

    pub(super) fn warn_of_closing(&mut self, context: &EventContext<'_>, room_id: &RoomId) -> Result<(), InvalidEvent> {
        self.alarm_all_inside(AlarmCause { context, room_id, kind: AlarmKind::ClosingSoon, message_id: None })
    }

    pub(super) fn open_door(&mut self, context: &EventContext<'_>, room_id: &RoomId) -> Result<(), InvalidEvent> {
        self.alarm_all_inside(AlarmCause { context, room_id, kind: AlarmKind::DoorOpened, message_id: None })
    }

    pub(super) fn deliver_order(&mut self, context: &EventContext<'_>, room_id: &RoomId) -> Result<(), InvalidEvent> {
        self.alarm_all_inside(AlarmCause { context, room_id, kind: AlarmKind::OrderArrived, message_id: None })
    }
}
