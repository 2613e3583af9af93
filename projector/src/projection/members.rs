//! Current and former members of a room.

use domain::{AlarmKind, RoomId, UserId};

use super::{
    alarms::AlarmCause,
    error::InvalidEvent,
    tables::{Member, Standing},
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
        // A returning member is last in the order of hosts again, but keeps the number of posts, and stays muted.
        let (seat, joined_at) = (room.next_seat(), context.at());
        let former = room.members.get(user_id);
        let (posts, muted_until) = former.map_or((0, None), |former| (former.posts, former.muted_until));
        let member = Member { standing: Standing::Inside, joined_at, seat, posts, co_host: false, muted_until };
        room.members.insert(user_id.clone(), member);
        room.row.member_count += 1;
        room.row.last_activity_at = joined_at;
        self.changed.mark_membership(room_id, user_id);
        Ok(())
    }

    pub(super) fn leave(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<(), InvalidEvent> {
        self.depart(context, room_id, user_id, Standing::Left)
    }

    fn depart(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        user_id: &UserId,
        standing: Standing,
    ) -> Result<(), InvalidEvent> {
        let member = self.change_member(room_id, user_id)?;
        (member.standing, member.co_host) = (standing, false);
        self.changed.mark_membership(room_id, user_id);
        let row = &mut self.change_room(room_id)?.row;
        row.member_count -= 1;
        row.last_activity_at = context.at();
        Ok(())
    }

    pub(super) fn kick(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<(), InvalidEvent> {
        self.depart(context, room_id, user_id, Standing::Kicked)?;
        self.alarm(AlarmCause { context, room_id, kind: AlarmKind::Kicked, message_id: None }, user_id);
        Ok(())
    }

    /// The user counts as one who has left, and can join again.
    pub(super) fn lift_kick(&mut self, room_id: &RoomId, user_id: &UserId) -> Result<(), InvalidEvent> {
        let member = self.change_room(room_id)?.members.get_mut(user_id);
        let member = member.filter(|member| member.standing == Standing::Kicked);
        let not_kicked = || InvalidEvent(format!("{user_id} is not kicked from room {room_id}"));
        member.ok_or_else(not_kicked)?.standing = Standing::Left;
        self.changed.mark_membership(room_id, user_id);
        Ok(())
    }
}
