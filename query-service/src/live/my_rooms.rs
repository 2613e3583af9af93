//! The open rooms of a connected user with their unread counts: sent as a whole, then as changes.

use std::collections::{BTreeMap, HashMap};

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{RoomId, UserId};
use sqlx::query;

use super::{
    frames::{Membership, ServerFrame, UnreadView},
    replay::Feeds,
};
use crate::{error::Error, views::Standing};

/// A user's standing in a room, and the state of the room.
#[derive(Debug)]
pub(super) struct MyRoom {
    room_id: RoomId,
    standing: Standing,
    open: bool,
    unread: i64,
    joined_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

/// The rooms of a user as they were sent to the user's connections.
#[derive(Debug, Default)]
pub(super) struct MyRooms {
    /// The unread count of each room; none before the first read.
    sent: Option<BTreeMap<RoomId, i64>>,
}

impl MyRooms {
    /// Returns the rooms that were sent.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.sent.iter().flat_map(BTreeMap::keys)
    }

    /// Returns a frame with all rooms.
    pub(super) fn frame(&self) -> Option<Utf8Bytes> {
        let rooms = self.sent.as_ref()?.iter().map(|(room, unread)| (room, UnreadView { unread: *unread }));
        Some(ServerFrame::MyRooms { rooms: rooms.collect() }.encode())
    }

    /// Replaces the rooms. Returns the frames that bring a client with the former rooms up to date.
    pub(super) fn update(&mut self, read: Vec<MyRoom>) -> Vec<Utf8Bytes> {
        let read: BTreeMap<RoomId, MyRoom> = read.into_iter().map(|room| (room.room_id.clone(), room)).collect();
        let inside = read.iter().filter(|(_, room)| room.is_current()).map(|(id, room)| (id.clone(), room.unread));
        let Some(sent) = self.sent.replace(inside.collect()) else { return self.frame().into_iter().collect() };
        let mut frames = Vec::new();
        for room in sent.keys().filter(|room| !read.get(room).is_some_and(MyRoom::is_current)) {
            let (standing, at) = read.get(room).map_or((Membership::Left, None), MyRoom::departure);
            frames.push(ServerFrame::Membership { room, standing, at }.encode());
        }
        for (room, now) in read.iter().filter(|(_, now)| now.is_current()) {
            let before = sent.get(room).copied();
            if before.is_none() {
                let (standing, at) = (Membership::Inside, Some(now.joined_at));
                frames.push(ServerFrame::Membership { room, standing, at }.encode());
            }
            if before.unwrap_or_default() != now.unread {
                frames.push(ServerFrame::Unread { room, unread: now.unread }.encode());
            }
        }
        frames
    }
}

impl MyRoom {
    fn is_current(&self) -> bool {
        self.open && self.standing == Standing::Inside
    }

    /// Creates an open room with the user as a member.
    #[cfg(test)]
    pub(super) fn inside(id: &str, unread: i64) -> Self {
        let (room_id, joined_at) = (id.parse().unwrap(), DateTime::UNIX_EPOCH);
        Self { room_id, standing: Standing::Inside, open: true, unread, joined_at, closed_at: None }
    }

    /// Returns the reason why the room is not one of the user's open rooms any more, and the time if it is known.
    fn departure(&self) -> (Membership, Option<DateTime<Utc>>) {
        match self.standing {
            Standing::Inside => (Membership::Closed, self.closed_at),
            Standing::Left => (Membership::Left, None),
            Standing::Kicked => (Membership::Kicked, None),
        }
    }
}

impl Feeds {
    /// Reads the users' rooms that are open or were opened since the oldest open room, and the `known` ones.
    pub(super) async fn my_rooms(
        &self,
        users: &[&UserId],
        known: &[(&UserId, RoomId)],
    ) -> Result<HashMap<UserId, Vec<MyRoom>>, Error> {
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        let known_users: Vec<String> = known.iter().map(|(user, _)| user.to_string()).collect();
        let known_boxes: Vec<String> = known.iter().map(|(_, room)| room.box_id().to_string()).collect();
        let known_rooms: Vec<String> = known.iter().map(|(_, room)| room.to_string()).collect();
        let (_permit, mut connection) = self.connection().await?;
        let rows = query!(
            r#"
            select
                me.user_id,
                r.room_id,
                me.standing as "standing: Standing",
                r.status = 'open' as "open!",
                me.joined_at,
                r.closed_at,
                -- as in `GET /me/rooms`: what one wrote oneself is read, and so is everything before it
                r.last_ordinal - greatest(me.last_post_ordinal, (
                    select m.ordinal from messages m
                    where m.box_id = k.box_id and m.room_id = k.room_id and m.message_id <= k.message_id
                    order by m.message_id desc
                    limit 1
                )) as "unread!"
            from (
                select mine.user_id, mine.box_id, mine.room_id
                from unnest($1::text[]) as asking (user_id)
                join user_rooms mine on mine.user_id = asking.user_id
                    -- however many rooms a user has been in, only those since the oldest open one are looked at
                    and mine.opened_at >= (select min(o.opened_at) from rooms o where o.status = 'open')
                union
                select *
                from unnest($2::text[], $3::text[], $4::text[]) as known (user_id, box_id, room_id)
            ) as mine
            join members me on me.box_id = mine.box_id and me.room_id = mine.room_id and me.user_id = mine.user_id
            join rooms r on r.box_id = mine.box_id and r.room_id = mine.room_id
            left join read_markers k on k.box_id = mine.box_id and k.room_id = mine.room_id and k.user_id = mine.user_id
            "#,
            &users,
            &known_users,
            &known_boxes,
            &known_rooms,
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut found: HashMap<UserId, Vec<MyRoom>> = HashMap::new();
        for row in rows {
            let (Ok(user), Ok(room_id)) = (row.user_id.parse::<UserId>(), row.room_id.parse()) else { continue };
            let (standing, open, unread) = (row.standing, row.open, row.unread);
            let room = MyRoom { room_id, standing, open, unread, joined_at: row.joined_at, closed_at: row.closed_at };
            found.entry(user).or_default().push(room);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn room(id: &str, standing: Standing, open: bool, unread: i64) -> MyRoom {
        let at: DateTime<Utc> = "2026-01-03T12:00:00Z".parse().unwrap();
        MyRoom { room_id: id.parse().unwrap(), standing, open, unread, joined_at: at, closed_at: (!open).then_some(at) }
    }

    fn update(rooms: &mut MyRooms, read: Vec<MyRoom>) -> Vec<Value> {
        rooms.update(read).iter().map(|frame| serde_json::from_str(frame).unwrap()).collect()
    }

    #[test]
    fn the_first_update_has_all_rooms_and_later_ones_the_differences() {
        let mut rooms = MyRooms::default();
        let all = || {
            vec![
                room("b.1", Standing::Inside, true, 3),
                room("c.1", Standing::Left, true, 0),
                room("d.1", Standing::Inside, false, 2),
            ]
        };
        let first = json!({ "type": "my_rooms", "rooms": { "b.1": { "unread": 3 } } });
        assert_eq!(update(&mut rooms, all()), [first]);
        assert!(update(&mut rooms, all()).is_empty());

        let now = vec![room("b.1", Standing::Inside, true, 0), room("c.1", Standing::Inside, true, 7)];
        assert_eq!(
            update(&mut rooms, now),
            [
                json!({ "type": "unread", "room": "b.1", "unread": 0 }),
                json!({ "type": "membership", "room": "c.1", "standing": "inside", "at": "2026-01-03T12:00:00Z" }),
                json!({ "type": "unread", "room": "c.1", "unread": 7 }),
            ]
        );
    }

    #[test]
    fn every_end_of_a_membership_has_its_name() {
        let mut rooms = MyRooms::default();
        let names = ["b.1", "c.1", "d.1", "e.1", "f.1"];
        rooms.update(names.map(|name| room(name, Standing::Inside, true, 1)).into());
        let now = vec![
            room("b.1", Standing::Left, true, 0),
            room("c.1", Standing::Kicked, false, 0),
            room("d.1", Standing::Inside, false, 0),
            room("e.1", Standing::Inside, true, 1),
        ];
        assert_eq!(
            update(&mut rooms, now),
            [
                json!({ "type": "membership", "room": "b.1", "standing": "left" }),
                json!({ "type": "membership", "room": "c.1", "standing": "kicked" }),
                json!({ "type": "membership", "room": "d.1", "standing": "closed", "at": "2026-01-03T12:00:00Z" }),
                json!({ "type": "membership", "room": "f.1", "standing": "left" }),
            ]
        );
        assert_eq!(rooms.rooms().count(), 1);
    }
}
