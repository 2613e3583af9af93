//! Writes rows while a generation is built and not read: new rows by COPY, the rest as usual. Sorted by room, so that
//! neighbours in a table's key are written together: the server holds few pages of a large table in memory.

use sqlx::PgConnection;

use super::{copy::Rows, workspace::Workspace, write::reactions};

impl Workspace {
    /// Writes the same rows as [`write`](Self::write).
    pub(super) async fn build(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        self.redact(connection, stream).await?;
        self.write_boxes(connection).await?;
        self.write_rooms(connection).await?;
        self.write_members(connection).await?;
        self.copy_user_rooms(connection).await?;
        self.copy_messages(connection).await?;
        self.write_messages(connection, &self.changed_messages()).await?;
        self.blank_feed(connection).await?;
        self.copy_feed(connection).await?;
        self.copy_alarms(connection, stream).await
    }

    async fn copy_user_rooms(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.entered.is_empty() {
            return Ok(());
        }
        let statement = "copy user_rooms (user_id, opened_at, room_id, box_id) from stdin (format binary)";
        let mut rows = Rows::begin(connection, statement, 4).await?;
        for row in &self.entered {
            rows.row()
                .text(row.user_id.as_str())
                .time(row.opened_at)
                .display(&row.room_id)
                .text(row.room_id.box_id().as_str());
            rows.sent().await?;
        }
        rows.finish().await
    }

    async fn copy_messages(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.posted.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::begin(
            connection,
            "copy messages (box_id, room_id, message_id, ordinal, author, body, reply_to, posted_at, edited_at,
                            reactions)
             from stdin (format binary)",
            10,
        )
        .await?;
        let mut posted: Vec<_> = self.posted_messages().collect();
        posted.sort_by(|(_, one), (_, other)| one.room_id.cmp(&other.room_id));
        for (id, message) in posted {
            rows.row()
                .text(message.room_id.box_id().as_str())
                .display(&message.room_id)
                .bigint(id.sequence().cast_signed())
                .bigint(message.ordinal)
                .text(message.author.as_str())
                .text_if_any(message.body.as_deref())
                .bigint_if_any(message.reply_to.map(|id| id.sequence().cast_signed()))
                .time(message.posted_at)
                .time_if_any(message.edited_at)
                .jsonb(&reactions(message));
            rows.sent().await?;
        }
        rows.finish().await
    }

    async fn copy_feed(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.feed.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::begin(
            connection,
            "copy room_events (box_id, room_id, v, type, at, by, data, command_id, message_id, position)
             from stdin (format binary)",
            10,
        )
        .await?;
        let mut feed: Vec<_> = self.feed.iter().collect();
        feed.sort_by(|one, other| one.room_id.cmp(&other.room_id));
        for row in feed {
            rows.row()
                .text(row.room_id.box_id().as_str())
                .display(&row.room_id)
                .bigint(row.v)
                .text(row.kind)
                .time(row.at)
                .text_if_any(row.by.as_ref().map(domain::UserId::as_str))
                .jsonb(row.data.get())
                .text_if_any(row.command_id.as_deref())
                .bigint_if_any(row.message_id.map(|id| id.sequence().cast_signed()))
                .bigint(row.position.cast_signed());
            rows.sent().await?;
        }
        rows.finish().await
    }

    async fn copy_alarms(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        if self.alarms.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::begin(
            connection,
            "copy alarms (user_id, at, box_id, position, kind, room_id, message_id, by, stream)
             from stdin (format binary)",
            9,
        )
        .await?;
        for row in &self.alarms {
            rows.row()
                .text(row.user_id.as_str())
                .time(row.at)
                .text(row.room_id.box_id().as_str())
                .bigint(row.position.cast_signed())
                .text(row.kind.as_str())
                .display(&row.room_id)
                .bigint_if_any(row.message_id.map(|id| id.sequence().cast_signed()))
                .text_if_any(row.by.as_ref().map(domain::UserId::as_str))
                .text(stream);
            rows.sent().await?;
        }
        rows.finish().await
    }
}
