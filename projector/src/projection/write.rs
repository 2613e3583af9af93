//! Writes the changes of a batch: one `unnest` statement per table, every row at most once.

use std::borrow::Cow;

use domain::MessageId;
use sqlx::{PgConnection, query};

use super::workspace::{BoxRow, Member, Message, Room, Workspace};

impl Workspace {
    /// Writes every row that differs from the database. `stream` is the label of the projected stream.
    pub(super) async fn write(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        self.redact(connection, stream).await?;
        // Neighbours in the log become neighbours in the table, older messages first.
        let mut messages = self.changed_messages();
        messages.extend(self.posted_messages());
        self.write_boxes(connection).await?;
        self.write_rooms(connection).await?;
        self.write_members(connection).await?;
        self.write_user_rooms(connection).await?;
        self.write_messages(connection, &messages).await?;
        self.blank_feed(connection).await?;
        self.write_feed(connection).await?;
        self.write_alarms(connection, stream).await
    }

    pub(super) async fn write_boxes(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.boxes.iter().filter_map(|box_id| Some((box_id, self.boxes.get(box_id)?)));
        let rows: Vec<(_, &BoxRow)> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into boxes (box_id, kind, zip_code, address, detailed_address, latitude, longitude,
                                service, out_of_service_reason, room_id, installed_at)
             select *
             from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[],
                         $8::text[], $9::text[], $10::text[], $11::timestamptz[])
             on conflict (box_id) do update set
               kind = excluded.kind,
               zip_code = excluded.zip_code,
               address = excluded.address,
               detailed_address = excluded.detailed_address,
               latitude = excluded.latitude,
               longitude = excluded.longitude,
               service = excluded.service,
               out_of_service_reason = excluded.out_of_service_reason,
               room_id = excluded.room_id",
            &column(&rows, |(box_id, _)| box_id.to_string()),
            &column(&rows, |(_, row)| row.kind.as_str()) as &[&str],
            &column(&rows, |(_, row)| row.zip_code.as_str()) as &[&str],
            &column(&rows, |(_, row)| row.address.as_str()) as &[&str],
            &column(&rows, |(_, row)| row.detailed_address.as_str()) as &[&str],
            &column(&rows, |(_, row)| row.latitude),
            &column(&rows, |(_, row)| row.longitude),
            &column(&rows, |(_, row)| row.service.as_str()) as &[&str],
            &column(&rows, |(_, row)| row.out_of_service_reason.as_deref()) as &[Option<&str>],
            &column(&rows, |(_, row)| row.room_id.as_ref().map(ToString::to_string)) as &[Option<String>],
            &column(&rows, |(_, row)| row.installed_at),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    pub(super) async fn write_rooms(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.rooms.iter().filter_map(|room_id| Some((room_id, self.rooms.get(room_id)?)));
        let rows: Vec<(_, &Room)> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into rooms (box_id, room_id, number, store_id, title, status, closed_reason, host, member_count,
                                max_members, locked, step, opened_at, closes_at, closed_at, v, last_ordinal)
             select *
             from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::int[], $10::int[], $11::bool[], $12::text[], $13::timestamptz[], $14::timestamptz[],
                         $15::timestamptz[], $16::bigint[], $17::bigint[])
             on conflict (box_id, room_id) do update set
               status = excluded.status,
               closed_reason = excluded.closed_reason,
               host = excluded.host,
               member_count = excluded.member_count,
               step = excluded.step,
               closes_at = excluded.closes_at,
               closed_at = excluded.closed_at,
               v = excluded.v,
               last_ordinal = excluded.last_ordinal",
            &column(&rows, |(room_id, _)| room_id.box_id().as_str()) as &[&str],
            &column(&rows, |(room_id, _)| room_id.to_string()),
            &column(&rows, |(room_id, _)| room_id.number().cast_signed()),
            &column(&rows, |(_, room)| room.row.store_id.as_str()) as &[&str],
            &column(&rows, |(_, room)| room.row.title.as_str()) as &[&str],
            &column(&rows, |(_, room)| room.row.status.as_str()) as &[&str],
            &column(&rows, |(_, room)| room.row.closed_reason.as_deref()) as &[Option<&str>],
            &column(&rows, |(_, room)| room.row.host.as_str()) as &[&str],
            &column(&rows, |(_, room)| room.row.member_count),
            &column(&rows, |(_, room)| room.row.max_members),
            &column(&rows, |(_, room)| room.row.locked),
            &column(&rows, |(_, room)| room.row.step.as_str()) as &[&str],
            &column(&rows, |(_, room)| room.row.opened_at),
            &column(&rows, |(_, room)| room.row.closes_at),
            &column(&rows, |(_, room)| room.row.closed_at) as &[Option<chrono::DateTime<chrono::Utc>>],
            &column(&rows, |(_, room)| room.row.v),
            &column(&rows, |(_, room)| room.row.last_ordinal),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    pub(super) async fn write_members(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<(_, _, &Member)> = self
            .changed
            .members()
            .filter_map(|(room_id, user_id)| Some((room_id, user_id, self.rooms.get(room_id)?.members.get(user_id)?)))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into members (box_id, room_id, user_id, standing, joined_at, seat, last_post_ordinal)
             select *
             from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[])
             on conflict (box_id, room_id, user_id) do update set
               standing = excluded.standing,
               joined_at = excluded.joined_at,
               seat = excluded.seat,
               last_post_ordinal = excluded.last_post_ordinal",
            &column(&rows, |(room_id, ..)| room_id.box_id().as_str()) as &[&str],
            &column(&rows, |(room_id, ..)| room_id.to_string()),
            &column(&rows, |(_, user_id, _)| user_id.as_str()) as &[&str],
            &column(&rows, |(.., member)| member.standing.as_str()) as &[&str],
            &column(&rows, |(.., member)| member.joined_at),
            &column(&rows, |(.., member)| member.seat),
            &column(&rows, |(.., member)| member.last_post_ordinal),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_user_rooms(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.entered;
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into user_rooms (user_id, opened_at, room_id, box_id)
             select *
             from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[])",
            &column(rows, |row| row.user_id.as_str()) as &[&str],
            &column(rows, |row| row.opened_at),
            &column(rows, |row| row.room_id.to_string()),
            &column(rows, |row| row.room_id.box_id().as_str()) as &[&str],
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Returns the changed messages of earlier batches.
    pub(super) fn changed_messages(&self) -> Vec<(&MessageId, &Message)> {
        let rows = self.changed.messages.iter().filter_map(|id| Some((id, self.messages.get(id)?)));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by_key(|(id, _)| **id);
        rows
    }

    /// Returns the messages of this batch.
    pub(super) fn posted_messages(&self) -> impl Iterator<Item = (&MessageId, &Message)> {
        self.posted.iter().filter_map(|id| Some((id, self.messages.get(id)?)))
    }

    pub(super) async fn write_messages(
        &self,
        connection: &mut PgConnection,
        rows: &[(&MessageId, &Message)],
    ) -> Result<(), sqlx::Error> {
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into messages (box_id, room_id, message_id, ordinal, author, body, reply_to,
                                   posted_at, edited_at, reactions)
             select box_id, room_id, message_id, ordinal, author, body, reply_to, posted_at, edited_at, reactions::jsonb
             from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
                         $8::timestamptz[], $9::timestamptz[], $10::text[])
                  as new (box_id, room_id, message_id, ordinal, author, body, reply_to,
                          posted_at, edited_at, reactions)
             on conflict (box_id, room_id, message_id) do update set
               body = excluded.body,
               edited_at = excluded.edited_at,
               reactions = excluded.reactions",
            &column(rows, |(_, message)| message.room_id.box_id().as_str()) as &[&str],
            &column(rows, |(_, message)| message.room_id.to_string()),
            &column(rows, |(id, _)| id.sequence().cast_signed()),
            &column(rows, |(_, message)| message.ordinal),
            &column(rows, |(_, message)| message.author.as_str()) as &[&str],
            &column(rows, |(_, message)| message.body.as_deref()) as &[Option<&str>],
            &column(rows, |(_, message)| message.reply_to.map(|id| id.sequence().cast_signed())) as &[Option<i64>],
            &column(rows, |(_, message)| message.posted_at),
            &column(rows, |(_, message)| message.edited_at) as &[Option<chrono::DateTime<chrono::Utc>>],
            &column(rows, |(_, message)| reactions(message)) as &[Cow<'_, str>],
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Removes the texts of deleted messages from rows of earlier batches; those of this batch are blank already.
    pub(super) async fn blank_feed(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.deleted;
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "update room_events
             set data = jsonb_set(data, '{body}', 'null')
             from unnest($1::text[], $2::text[], $3::bigint[]) as gone (box_id, room_id, message_id)
             where room_events.box_id = gone.box_id
               and room_events.room_id = gone.room_id
               and room_events.message_id = gone.message_id
               and room_events.data ? 'body'",
            &column(rows, |(room_id, _)| room_id.box_id().as_str()) as &[&str],
            &column(rows, |(room_id, _)| room_id.to_string()),
            &column(rows, |(_, message_id)| message_id.sequence().cast_signed()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_feed(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.feed;
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into room_events (box_id, room_id, v, type, at, by, data, command_id, message_id, position)
             select box_id, room_id, v, type, at, by, data::jsonb, command_id, message_id, position
             from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
                         $8::text[], $9::bigint[], $10::bigint[])
                  as new (box_id, room_id, v, type, at, by, data, command_id, message_id, position)",
            &column(rows, |row| row.room_id.box_id().as_str()) as &[&str],
            &column(rows, |row| row.room_id.to_string()),
            &column(rows, |row| row.v),
            &column(rows, |row| row.kind) as &[&str],
            &column(rows, |row| row.at),
            &column(rows, |row| row.by.as_ref().map(domain::UserId::as_str)) as &[Option<&str>],
            &column(rows, |row| row.data.get()) as &[&str],
            &column(rows, |row| row.command_id.as_deref()) as &[Option<&str>],
            &column(rows, |row| row.message_id.map(|id| id.sequence().cast_signed())) as &[Option<i64>],
            &column(rows, |row| row.position.cast_signed()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_alarms(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        let rows = &self.alarms;
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "insert into alarms (user_id, at, box_id, position, kind, room_id, message_id, by, stream)
             select *, $9::text
             from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::text[], $6::text[],
                         $7::bigint[], $8::text[])",
            &column(rows, |row| row.user_id.as_str()) as &[&str],
            &column(rows, |row| row.at),
            &column(rows, |row| row.room_id.box_id().as_str()) as &[&str],
            &column(rows, |row| row.position.cast_signed()),
            &column(rows, |row| row.kind.as_str()) as &[&str],
            &column(rows, |row| row.room_id.to_string()),
            &column(rows, |row| row.message_id.map(|id| id.sequence().cast_signed())) as &[Option<i64>],
            &column(rows, |row| row.by.as_ref().map(domain::UserId::as_str)) as &[Option<&str>],
            stream,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Returns the reactions as JSON. Most messages have none.
pub(super) fn reactions(message: &Message) -> Cow<'static, str> {
    if message.reactions.is_empty() { "{}".into() } else { serde_json::json!(message.reactions).to_string().into() }
}

/// Collects one column of the rows for `unnest`.
pub(super) fn column<'a, R, T>(rows: &'a [R], field: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
