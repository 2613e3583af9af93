//! Loading the rows that a batch touches and that are not in memory yet: one statement per table.

use std::collections::{BTreeMap, BTreeSet};

use domain::{BoxId, MessageId, RoomId, UserId};
use sqlx::{PgConnection, query, query_as};

use super::{
    id,
    workspace::{BoxRow, Keys, Member, Message, Reactions, Room, RoomRow, Standing, Workspace},
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
        Ok(())
    }

    async fn load_boxes(&mut self, connection: &mut PgConnection, ids: &BTreeSet<&BoxId>) -> Result<(), sqlx::Error> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let rows = query!(
            "select box_id, kind, zip_code, address, detailed_address, latitude, longitude,
                    service, out_of_service_reason, room_id, installed_at
             from boxes
             where box_id = any($1)",
            &ids
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let room_id = row.room_id.as_deref().map(id).transpose()?;
            let loaded = BoxRow {
                kind: row.kind,
                zip_code: row.zip_code,
                address: row.address,
                detailed_address: row.detailed_address,
                latitude: row.latitude,
                longitude: row.longitude,
                service: row.service,
                out_of_service_reason: row.out_of_service_reason,
                room_id,
                installed_at: row.installed_at,
            };
            self.boxes.insert(id(&row.box_id)?, loaded);
        }
        Ok(())
    }

    async fn load_rooms(
        &mut self,
        connection: &mut PgConnection,
        boxes: &[String],
        rooms: &[String],
    ) -> Result<(), sqlx::Error> {
        let rows = query!(
            "select room_id, store_id, title, status, closed_reason, host, member_count, max_members,
                    locked, step, opened_at, closes_at, closed_at, v, last_ordinal
             from rooms
             join unnest($1::text[], $2::text[]) as wanted (box_id, room_id) using (box_id, room_id)",
            boxes,
            rooms
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let loaded = RoomRow {
                store_id: row.store_id,
                title: row.title,
                status: row.status,
                closed_reason: row.closed_reason,
                host: row.host,
                member_count: row.member_count,
                max_members: row.max_members,
                locked: row.locked,
                step: row.step,
                opened_at: row.opened_at,
                closes_at: row.closes_at,
                closed_at: row.closed_at,
                v: row.v,
                last_ordinal: row.last_ordinal,
            };
            self.rooms.insert(id(&row.room_id)?, Room { row: loaded, members: BTreeMap::new() });
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
        let rows = query!(
            r#"select room_id as "room_id!", user_id, standing as "standing: Standing", joined_at, seat,
                 last_post_ordinal
             from members
             join unnest($1::text[], $2::text[]) as wanted (box_id, room_id) using (box_id, room_id)"#,
            boxes,
            rooms
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let loaded = Member {
                standing: row.standing,
                joined_at: row.joined_at,
                seat: row.seat,
                last_post_ordinal: row.last_post_ordinal,
            };
            if let Some(room) = self.rooms.get_mut(&id::<RoomId>(&row.room_id)?) {
                room.members.insert(id(&row.user_id)?, loaded);
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
        let rows = query_as!(
            MessageRow,
            r#"select room_id as "room_id!", message_id as "message_id!", ordinal, author, body, reply_to,
                    posted_at, edited_at, reactions
             from messages
             join unnest($1::text[], $2::text[], $3::bigint[]) as wanted (box_id, room_id, message_id)
                  using (box_id, room_id, message_id)"#,
            &boxes,
            &rooms,
            &messages
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let (message_id, message) = row.into_message()?;
            self.messages.insert(message_id, message);
        }
        Ok(())
    }
}

struct MessageRow {
    room_id: String,
    message_id: i64,
    ordinal: i64,
    author: String,
    body: Option<String>,
    reply_to: Option<i64>,
    posted_at: chrono::DateTime<chrono::Utc>,
    edited_at: Option<chrono::DateTime<chrono::Utc>>,
    reactions: serde_json::Value,
}

impl MessageRow {
    fn into_message(self) -> Result<(MessageId, Message), sqlx::Error> {
        let reactions: Reactions =
            serde_json::from_value(self.reactions).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let message = Message {
            room_id: id(&self.room_id)?,
            ordinal: self.ordinal,
            author: id::<UserId>(&self.author)?,
            body: self.body,
            reply_to: self.reply_to.map(message_id),
            posted_at: self.posted_at,
            edited_at: self.edited_at,
            reactions,
        };
        Ok((message_id(self.message_id), message))
    }
}

fn message_id(sequence: i64) -> MessageId {
    MessageId::new(sequence.cast_unsigned())
}
