//! Current and former members of a room.

use domain::{AlarmKind, RoomId, UserId};

use super::{
    alarms::AlarmCause,
    error::InvalidEvent,
    tables::{Member, Standing, UserRoom},
    workspace::{EventContext, Workspace},
};

impl Workspace {
    pub(super) fn join(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<(), InvalidEvent> {
        let room = self.change_room(room_id)?;
        if room.has_member(user_id) {
            return Err(InvalidEvent(format!("{user_id} is in room {room_id} already")));
        }
        // A returning member is last in the order of hosts again, but keeps the ordinal of their last post.
        let (seat, joined_at) = (room.next_seat(), context.at());
        let former = room.members.get(user_id);
        let (is_new, last_post_ordinal) = (former.is_none(), former.map_or(0, |former| former.last_post_ordinal));
        let member = Member { standing: Standing::Inside, joined_at, seat, last_post_ordinal };
        room.members.insert(user_id.clone(), member);
        room.row.member_count += 1;
        let opened_at = room.row.opened_at;
        self.changed.mark_member(room_id, user_id);
        if is_new {
            self.entered.push(UserRoom { user_id: user_id.clone(), room_id: room_id.clone(), opened_at });
        }
        Ok(())
    }

    pub(super) fn leave(&mut self, room_id: &RoomId, user_id: &UserId) -> Result<(), InvalidEvent> {
        self.change_member(room_id, user_id)?.standing = Standing::Left;
        self.change_room(room_id)?.row.member_count -= 1;
        Ok(())
    }

    pub(super) fn kick(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<(), InvalidEvent> {
        self.change_member(room_id, user_id)?.standing = Standing::Kicked;
        self.change_room(room_id)?.row.member_count -= 1;
        self.alarm(AlarmCause { context, room_id, kind: AlarmKind::Kicked, message_id: None }, user_id);
        Ok(())
    }
}
