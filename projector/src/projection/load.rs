//! Loading the rows that a batch touches and that are not in memory yet: one statement per table.

use std::collections::{BTreeMap, BTreeSet};

use domain::{BoxId, MessageId, RoomId, UserId};
use sqlx::{PgConnection, postgres::PgRow, query};

use super::{
    cell::Cells,
    table::Loaded,
    tables::{BoxRow, Member, Message, RoomRow},
    workspace::{Keys, Room, Workspace},
};

impl Workspace {
    /// Loads the rows that a batch needs into memory.
    pub(super) async fn load(&mut self, connection: &mut PgConnection, keys: &Keys<'_>) -> Result<(), sqlx::Error> {
        if !keys.boxes.is_empty() {
            self.load_boxes(connection, &keys.boxes).await?;
        }
        if !keys.rooms.is_empty() {
            let (boxes, rooms): (Vec<String>, Vec<String>) =
                keys.rooms.iter().map(|id| (id.box_id().to_string(), id.to_string())).unzip();
            self.load_rooms(connection, &boxes, &rooms).await?;
            self.load_members(connection, &boxes, &rooms).await?;
        }
        if !keys.messages.is_empty() {
            self.load_messages(connection, &keys.messages).await?;
        }
        if !keys.erased.is_empty() {
            self.load_reacted(connection, &keys.erased).await?;
        }
        Ok(())
    }

    async fn load_boxes(&mut self, connection: &mut PgConnection, ids: &BTreeSet<&BoxId>) -> Result<(), sqlx::Error> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let rows = query(BoxRow::select(&["box_id"], &["box_id"])).bind(&ids).fetch_all(connection).await?;
        for mut cells in rows.iter().map(Cells::of) {
            let row = BoxRow::read(&mut cells)?;
            self.boxes.insert(cells.read()?, row);
        }
        Ok(())
    }

    async fn load_rooms(
        &mut self,
        connection: &mut PgConnection,
        boxes: &[String],
        rooms: &[String],
    ) -> Result<(), sqlx::Error> {
        let wanted = query(RoomRow::select(&["room_id"], &["box_id", "room_id"]));
        let rows = wanted.bind(boxes).bind(rooms).fetch_all(connection).await?;
        for mut cells in rows.iter().map(Cells::of) {
            let row = RoomRow::read(&mut cells)?;
            self.rooms.insert(cells.read()?, Room { row, members: BTreeMap::new() });
        }
        Ok(())
    }

    /// Loads the members of rooms. The rooms' rows must be loaded before.
    async fn load_members(
        &mut self,
        connection: &mut PgConnection,
        boxes: &[String],
        rooms: &[String],
    ) -> Result<(), sqlx::Error> {
        let wanted = query(Member::select(&["room_id", "user_id"], &["box_id", "room_id"]));
        let rows = wanted.bind(boxes).bind(rooms).fetch_all(connection).await?;
        for mut cells in rows.iter().map(Cells::of) {
            let member = Member::read(&mut cells)?;
            if let Some(room) = self.rooms.get_mut(&cells.read()?) {
                room.members.insert(cells.read()?, member);
            }
        }
        Ok(())
    }

    async fn load_messages(
        &mut self,
        connection: &mut PgConnection,
        wanted: &BTreeSet<(&RoomId, MessageId)>,
    ) -> Result<(), sqlx::Error> {
        let boxes: Vec<String> = wanted.iter().map(|(room_id, _)| room_id.box_id().to_string()).collect();
        let rooms: Vec<String> = wanted.iter().map(|(room_id, _)| room_id.to_string()).collect();
        let messages: Vec<i64> = wanted.iter().map(|(_, message)| message.sequence().cast_signed()).collect();
        let wanted = query(Message::select(&["message_id"], &["box_id", "room_id", "message_id"]));
        let rows = wanted.bind(&boxes).bind(&rooms).bind(&messages).fetch_all(connection).await?;
        self.read_messages(&rows)
    }

    /// Loads the messages on which reactions of these authors have caused alarms.
    async fn load_reacted(
        &mut self,
        connection: &mut PgConnection,
        erased: &BTreeSet<(&BoxId, &UserId)>,
    ) -> Result<(), sqlx::Error> {
        let (boxes, authors): (Vec<&str>, Vec<&str>) =
            erased.iter().map(|(box_id, author)| (box_id.as_str(), author.as_str())).unzip();
        let keys = query!(
            "select messages.box_id, messages.room_id, messages.message_id
             from unnest($1::text[], $2::text[]) as gone (box_id, author)
             join messages on messages.box_id = gone.box_id
             where messages.alarms @>
                 jsonb_build_object('reactions', jsonb_build_array(
                     jsonb_build_object('by', jsonb_build_array(jsonb_build_object('user', gone.author)))
                 ))",
            &boxes as &[&str],
            &authors as &[&str],
        )
        .fetch_all(&mut *connection)
        .await?;
        let boxes: Vec<String> = keys.iter().map(|key| key.box_id.clone()).collect();
        let rooms: Vec<String> = keys.iter().map(|key| key.room_id.clone()).collect();
        let messages: Vec<i64> = keys.iter().map(|key| key.message_id).collect();
        let wanted = query(Message::select(&["message_id"], &["box_id", "room_id", "message_id"]));
        let rows = wanted.bind(&boxes).bind(&rooms).bind(&messages).fetch_all(connection).await?;
        self.read_messages(&rows)
    }

    fn read_messages(&mut self, rows: &[PgRow]) -> Result<(), sqlx::Error> {
        for mut cells in rows.iter().map(Cells::of) {
            let message = Message::read(&mut cells)?;
            self.messages.insert(cells.read()?, message);
        }
        Ok(())
    }
}
