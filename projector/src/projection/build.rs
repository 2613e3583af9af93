//! Writes rows while a generation is built and not read: new rows by COPY, the rest as usual. Sorted by room, so that
//! neighbours in a table's key are written together: the server holds few pages of a large table in memory.

use sqlx::PgConnection;

use super::{
    table::{copy, write},
    upserts::Upserts,
    workspace::Workspace,
};

impl Workspace {
    /// Writes the same rows as [`add_rows`](Self::add_rows) adds, and blanks deleted messages in the feed.
    pub(super) async fn build(&self, connection: &mut PgConnection, stream: &str) -> Result<(), sqlx::Error> {
        let mut state = Upserts::unconditional();
        self.add_state(stream, &mut state)?;
        state.execute(connection).await?;
        self.copy_messages(connection).await?;
        write(connection, self.changed_messages()).await?;
        self.blank_feed(connection).await?;
        self.copy_feed(connection).await?;
        copy(connection, self.alarms_of(stream, |row| row.is_new)).await?;
        write(connection, self.alarms_of(stream, |row| !row.is_new)).await
    }

    async fn copy_messages(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut posted: Vec<_> = self.posted_messages().collect();
        posted.sort_by(|(_, one), (_, other)| one.room_id.cmp(&other.room_id));
        copy(connection, posted).await
    }

    async fn copy_feed(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut feed: Vec<_> = self.feed.iter().collect();
        feed.sort_by(|one, other| one.room_id.cmp(&other.room_id));
        copy(connection, feed).await
    }
}
