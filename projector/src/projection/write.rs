//! Writes the changes of a batch: one `unnest` statement per table, every row at most once.

use domain::MessageId;
use sqlx::{PgConnection, query};

use super::{
    alarms::AlarmRow,
    table::write,
    tables::{Alarm, Message},
    workspace::Workspace,
};

impl Workspace {
    /// Writes every row that differs from the database. `stream` is the label of the projected stream.
    pub(super) async fn write(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        // Neighbours in the log become neighbours in the table, older messages first.
        let mut messages = self.changed_messages();
        messages.extend(self.posted_messages());
        self.write_state(connection, stream).await?;
        write(connection, messages).await?;
        self.blank_feed(connection).await?;
        write(connection, &self.feed).await?;
        write(connection, self.alarms_of(stream, |_| true)).await
    }

    /// Writes boxes, rooms, members and erasures.
    pub(super) async fn write_state(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        let erased: Vec<_> = self.erased.iter().map(|erasure| (stream, erasure)).collect();
        write(connection, erased).await?;
        self.write_boxes(connection).await?;
        self.write_rooms(connection).await?;
        self.write_members(connection).await?;
        self.write_user_rooms(connection).await
    }

    async fn write_boxes(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.boxes.iter().filter_map(|box_id| Some((box_id, self.boxes.get(box_id)?)));
        let rows: Vec<_> = rows.collect();
        write(connection, rows).await
    }

    async fn write_rooms(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.rooms.iter().filter_map(|room_id| Some((room_id, &self.rooms.get(room_id)?.row)));
        let rows: Vec<_> = rows.collect();
        write(connection, rows).await
    }

    async fn write_members(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<_> = self
            .changed
            .members()
            .filter_map(|(room_id, user_id)| Some((room_id, user_id, self.rooms.get(room_id)?.members.get(user_id)?)))
            .collect();
        write(connection, rows).await
    }

    async fn write_user_rooms(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows: Vec<_> = self
            .changed
            .memberships
            .iter()
            .filter_map(|(room_id, user_id)| {
                let room = self.rooms.get(room_id)?;
                Some((room_id, user_id, &room.row, room.members.get(user_id)?))
            })
            .collect();
        write(connection, rows).await
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

    /// Returns some alarms of this batch with the stream of their boxes.
    pub(super) fn alarms_of<'a>(
        &'a self,
        stream: &'a str,
        is_wanted: impl Fn(&AlarmRow) -> bool,
    ) -> Vec<(&'a str, &'a Alarm)> {
        self.alarms.iter().filter(|row| is_wanted(row)).map(|row| (stream, &row.alarm)).collect()
    }

    /// Removes the texts of deleted messages from rows of earlier batches; those of this batch are blank already.
    pub(super) async fn blank_feed(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = &self.deleted;
        if rows.is_empty() {
            return Ok(());
        }
        query!(
            "update room_events
             set data = data || jsonb_build_object('body', null, 'mentions', '[]'::jsonb, 'mentions_all', false)
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
}

/// Collects one column of the rows for `unnest`.
pub(super) fn column<'a, R, T>(rows: &'a [R], field: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
