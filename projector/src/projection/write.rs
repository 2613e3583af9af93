//! Writes the changes of a batch: one `unnest` per table, every row at most once.

use domain::MessageId;
use sqlx::{PgConnection, query};

use super::{
    alarms::AlarmRow,
    tables::{Alarm, Message},
    upserts::Upserts,
    workspace::{Changed, Workspace},
};

impl Workspace {
    /// Adds every row that differs from the database. `stream` is the label of the projected stream.
    pub(super) fn add_rows(&self, stream: &str, upserts: &mut Upserts) -> Result<(), sqlx::Error> {
        // Neighbours in the log become neighbours in the table, older messages first.
        let mut messages = self.changed_messages();
        messages.extend(self.posted_messages());
        self.add_state(stream, upserts)?;
        upserts.add(messages)?;
        upserts.add(&self.feed)?;
        upserts.add(self.alarms_of(stream, |_| true))
    }

    /// Adds boxes, rooms, members and erasures.
    pub(super) fn add_state(&self, stream: &str, upserts: &mut Upserts) -> Result<(), sqlx::Error> {
        let Changed { boxes, rooms, memberships, .. } = &self.changed;
        let boxes = boxes.iter().filter_map(|box_id| Some((box_id, self.boxes.get(box_id)?)));
        let rooms = rooms.iter().filter_map(|room_id| Some((room_id, &self.rooms.get(room_id)?.row)));
        let members = self
            .changed
            .members()
            .filter_map(|(room_id, user_id)| Some((room_id, user_id, self.rooms.get(room_id)?.members.get(user_id)?)));
        let user_rooms = memberships.iter().filter_map(|(room_id, user_id)| {
            let room = self.rooms.get(room_id)?;
            Some((room_id, user_id, &room.row, room.members.get(user_id)?))
        });
        upserts.add(self.erased.iter().map(|erasure| (stream, erasure)))?;
        upserts.add(boxes)?;
        upserts.add(rooms)?;
        upserts.add(members.collect::<Vec<_>>())?;
        upserts.add(user_rooms)
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
