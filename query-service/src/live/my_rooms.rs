//! The open rooms of a connected user with their unread counts: sent as a whole, then as changes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use domain::{MessageId, RoomId, UserId};
use sqlx::query;
use tokio::time::Instant;

use super::{
    frames::{Membership, ServerFrame, UnreadView},
    replay::Feeds,
    unread::{RecentFacts, UnreadCount},
};
use crate::{error::Error, views::Standing};

/// The minimum time between two counts of a room that are sent because of other users' messages.
const UNREAD_INTERVAL: Duration = Duration::from_secs(1);

/// A user's standing in a room, and the state of the room, as read from the database.
#[derive(Debug)]
pub(super) struct MyRoom {
    room_id: RoomId,
    standing: Standing,
    open: bool,
    count: UnreadCount,
    joined_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

/// The rooms of a user as they were sent to the user's connections.
#[derive(Debug, Default)]
pub(super) struct MyRooms {
    /// The open rooms that the user is a member of; none before the first read.
    open: Option<BTreeMap<RoomId, OpenRoom>>,
}

/// An open room of a user.
#[derive(Debug)]
struct OpenRoom {
    count: UnreadCount,
    /// The unread count that was sent last, and the time of the frame that changed it.
    sent: i64,
    sent_at: Option<Instant>,
}

/// The result of counting on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nothing is to be sent.
    Unchanged,
    /// This frame is to be sent now.
    Frame(Utf8Bytes),
    /// A frame is due at this time.
    Due(Instant),
    /// Facts are missing: the room must be read.
    Unknown,
}

impl OpenRoom {
    /// Returns the frame of the present count, if the last one has another.
    fn frame(&mut self, room: &RoomId, now: Instant) -> Option<Utf8Bytes> {
        let unread = self.count.unread;
        if std::mem::replace(&mut self.sent, unread) == unread {
            return None;
        }
        self.sent_at = Some(now);
        Some(ServerFrame::Unread { room_id: room, unread }.encode())
    }

    fn due_at(&self) -> Option<Instant> {
        self.sent_at.map(|sent_at| sent_at + UNREAD_INTERVAL)
    }
}

impl MyRooms {
    /// Returns the rooms that were sent.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.open.iter().flat_map(BTreeMap::keys)
    }

    /// Returns a frame with all rooms.
    pub(super) fn frame(&self) -> Option<Utf8Bytes> {
        let rooms = self.open.as_ref()?.iter().map(|(id, room)| (id, UnreadView { unread: room.sent }));
        Some(ServerFrame::MyRooms { rooms: rooms.collect() }.encode())
    }

    /// Counts a room on after new facts.
    pub(super) fn follow(&mut self, user: &UserId, id: &RoomId, recent: &RecentFacts, now: Instant) -> Counted {
        let Some(room) = self.open.as_mut().and_then(|open| open.get_mut(id)) else { return Counted::Unchanged };
        if !room.count.follow(user, recent) {
            return Counted::Unknown;
        }
        match room.due_at() {
            Some(due_at) if due_at > now && room.count.unread != room.sent => Counted::Due(due_at),
            _ => room.frame(id, now).map_or(Counted::Unchanged, Counted::Frame),
        }
    }

    /// Moves the read marker of a room. The count is sent at once.
    pub(super) fn mark(
        &mut self,
        user: &UserId,
        id: &RoomId,
        message_id: MessageId,
        recent: Option<&RecentFacts>,
        now: Instant,
    ) -> Counted {
        let Some(room) = self.open.as_mut().and_then(|open| open.get_mut(id)) else { return Counted::Unchanged };
        if !room.count.mark(user, message_id, recent) {
            return Counted::Unknown;
        }
        room.frame(id, now).map_or(Counted::Unchanged, Counted::Frame)
    }

    /// Returns the counts that are due, and the time at which the next one is.
    pub(super) fn take_due(&mut self, now: Instant) -> (Vec<Utf8Bytes>, Option<Instant>) {
        let (mut frames, mut next) = (Vec::new(), None::<Instant>);
        for (id, room) in self.open.iter_mut().flatten().filter(|(_, room)| room.count.unread != room.sent) {
            match room.due_at() {
                Some(due_at) if due_at > now => next = Some(next.map_or(due_at, |next| next.min(due_at))),
                _ => frames.extend(room.frame(id, now)),
            }
        }
        (frames, next)
    }

    /// Forgets the counts but not what was sent: the next read replaces them, even if it is of an earlier version.
    pub(super) fn forget_counts(&mut self) {
        for room in self.open.iter_mut().flat_map(BTreeMap::values_mut) {
            room.count.forget();
        }
    }

    /// Replaces the rooms by those of a read. Returns the frames that bring a client with the former rooms up to date,
    /// and whether all counts are exact.
    pub(super) fn update<'a>(
        &mut self,
        user: &UserId,
        read: Vec<MyRoom>,
        recent: impl Fn(&RoomId) -> Option<&'a RecentFacts>,
        now: Instant,
    ) -> (Vec<Utf8Bytes>, bool) {
        let read: BTreeMap<RoomId, MyRoom> = read.into_iter().map(|room| (room.room_id.clone(), room)).collect();
        let (former, mut is_exact) = (self.open.take(), true);
        let is_first = former.is_none();
        let (mut former, mut open, mut frames) = (former.unwrap_or_default(), BTreeMap::new(), Vec::new());
        let mut counts = Vec::new();
        for (id, now_read) in read.iter().filter(|(_, room)| room.is_current()) {
            let (known, count) = (former.remove(id), now_read.count.clone());
            let is_new = known.is_none();
            let mut room = known.unwrap_or_else(|| {
                let mut count = count.clone();
                count.forget();
                OpenRoom { count, sent: 0, sent_at: None }
            });
            is_exact &= room.count.reread(user, count, recent(id));
            if is_first {
                room.sent = room.count.unread;
            } else {
                if is_new {
                    let (standing, at) = (Membership::Inside, Some(now_read.joined_at));
                    counts.push(ServerFrame::Membership { room_id: id, standing, at }.encode());
                }
                counts.extend(room.frame(id, now));
            }
            open.insert(id.clone(), room);
        }
        for room in former.keys() {
            let (standing, at) = read.get(room).map_or((Membership::Left, None), MyRoom::departure);
            frames.push(ServerFrame::Membership { room_id: room, standing, at }.encode());
        }
        frames.extend(counts);
        self.open = Some(open);
        if is_first {
            frames.extend(self.frame());
        }
        (frames, is_exact)
    }
}

impl MyRoom {
    fn is_current(&self) -> bool {
        self.open && self.standing == Standing::Inside
    }

    /// Creates an open room with the user as a member, read at this version of its feed.
    #[cfg(test)]
    pub(super) fn inside(id: &str, v: i64, unread: i64) -> Self {
        let (room_id, joined_at) = (id.parse().unwrap(), DateTime::UNIX_EPOCH);
        let count = UnreadCount { v, read_up_to: None, last_message: None, unread };
        Self { room_id, standing: Standing::Inside, open: true, count, joined_at, closed_at: None }
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
    /// Reads the open rooms of the users, and the `known` ones.
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
                r.v,
                c.read_up_to,
                (
                    select m.message_id
                    from messages m
                    where m.box_id = mine.box_id and m.room_id = mine.room_id
                    order by m.message_id desc
                    limit 1
                ) as last_message,
                c.unread as "unread!"
            from (
                select o.user_id, o.box_id, o.room_id
                from unnest($1::text[]) as asking (user_id)
                join user_rooms o on o.user_id = asking.user_id and o.inside and o.closed_at is null
                union
                select *
                from unnest($2::text[], $3::text[], $4::text[]) as known (user_id, box_id, room_id)
            ) as mine
            join members me on me.box_id = mine.box_id and me.room_id = mine.room_id and me.user_id = mine.user_id
            join rooms r on r.box_id = mine.box_id and r.room_id = mine.room_id
            join unread_counts c
                on c.box_id = mine.box_id and c.room_id = mine.room_id and c.user_id = mine.user_id
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
            let message_id = |sequence: i64| MessageId::new(sequence.cast_unsigned());
            let count = UnreadCount {
                v: row.v,
                read_up_to: row.read_up_to.map(message_id),
                last_message: row.last_message.map(message_id),
                unread: row.unread,
            };
            let (standing, open, joined_at, closed_at) = (row.standing, row.open, row.joined_at, row.closed_at);
            let room = MyRoom { room_id, standing, open, count, joined_at, closed_at };
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
        MyRoom { standing, open, joined_at: at, closed_at: (!open).then_some(at), ..MyRoom::inside(id, 1, unread) }
    }

    fn update(rooms: &mut MyRooms, read: Vec<MyRoom>) -> Vec<Value> {
        let (frames, _) = rooms.update(&"ana".parse().unwrap(), read, |_| None, Instant::now());
        frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect()
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
                json!({ "type": "unread", "room_id": "b.1", "unread": 0 }),
                json!({ "type": "membership", "room_id": "c.1", "standing": "inside", "at": "2026-01-03T12:00:00Z" }),
                json!({ "type": "unread", "room_id": "c.1", "unread": 7 }),
            ]
        );
    }

    #[test]
    fn every_end_of_a_membership_has_its_name() {
        let mut rooms = MyRooms::default();
        let names = ["b.1", "c.1", "d.1", "e.1", "f.1"];
        update(&mut rooms, names.map(|name| room(name, Standing::Inside, true, 1)).into());
        let now = vec![
            room("b.1", Standing::Left, true, 0),
            room("c.1", Standing::Kicked, false, 0),
            room("d.1", Standing::Inside, false, 0),
            room("e.1", Standing::Inside, true, 1),
        ];
        assert_eq!(
            update(&mut rooms, now),
            [
                json!({ "type": "membership", "room_id": "b.1", "standing": "left" }),
                json!({ "type": "membership", "room_id": "c.1", "standing": "kicked" }),
                json!({ "type": "membership", "room_id": "d.1", "standing": "closed", "at": "2026-01-03T12:00:00Z" }),
                json!({ "type": "membership", "room_id": "f.1", "standing": "left" }),
            ]
        );
        assert_eq!(rooms.rooms().count(), 1);
    }
}
