//! The erasure of an author's content: leaves the same rows as if their texts had never been readable.

use std::collections::BTreeSet;

use domain::{UserId, values::ERASED};
use serde_json::{Value, value::to_raw_value};
use sqlx::{PgConnection, query, query_scalar};

use super::{
    error::InvalidEvent,
    feed::{json_error, remove_mentions},
    tables::{AuthorErasure, FeedRow},
    workspace::{EventContext, Workspace},
};

impl Workspace {
    /// Redacts the rows in memory, and marks the rows of earlier batches for redaction.
    pub(super) fn erase_author(&mut self, context: &EventContext<'_>, author: &UserId) -> Result<(), InvalidEvent> {
        self.redact_feed(context, author)?;
        self.disallow(context, author)?;
        let rooms = self.rooms.iter_mut().filter(|(room_id, _)| room_id.box_id() == context.box_id);
        for (_, room) in rooms.filter(|(_, room)| room.row.title_by == author.as_str()) {
            ERASED.clone_into(&mut room.row.title);
            room.row.title_erased = true;
        }
        let of_box = self.messages.values_mut().filter(|message| message.room_id.box_id() == context.box_id);
        for message in of_box.filter(|message| message.author == *author) {
            message.body = message.body.is_some().then(|| ERASED.to_owned());
            message.clear_mentions();
            message.erased = true;
        }
        self.withdraw_author(context, author);
        self.erased.insert(AuthorErasure {
            position: context.commit.sequence,
            box_id: context.box_id.clone(),
            user_id: author.clone(),
        });
        Ok(())
    }

    fn redact_feed(&mut self, context: &EventContext<'_>, author: &UserId) -> Result<(), InvalidEvent> {
        for row in self.feed.iter_mut().filter(|row| row.room_id.box_id() == context.box_id) {
            if let Some(message_id) = row.message_id {
                if self.messages.get(&message_id).is_some_and(|message| message.author == *author) {
                    redact(row, ("body", "erased"), |_| true)?;
                }
            } else if row.kind == "room_opened" {
                redact(row, ("title", "title_erased"), |data| data["host"] == author.as_str())?;
            } else if row.kind == "room_changed" && row.by.as_ref() == Some(author) {
                redact(row, ("title", "title_erased"), |data| data["title"].is_string())?;
            }
        }
        Ok(())
    }

    /// Redacts the rows of earlier batches. Must run before this batch's rows are written. Returns the users who have
    /// lost alarms.
    pub(super) async fn redact(
        &self,
        connection: &mut PgConnection,
        stream: &str,
    ) -> Result<BTreeSet<UserId>, sqlx::Error> {
        if self.erased.is_empty() {
            return Ok(BTreeSet::new());
        }
        let boxes: Vec<&str> = self.erased.iter().map(|erasure| erasure.box_id.as_str()).collect();
        let authors: Vec<&str> = self.erased.iter().map(|erasure| erasure.user_id.as_str()).collect();
        redact_messages(connection, &boxes, &authors).await?;
        redact_titles(connection, &boxes, &authors).await?;
        remove_alarms(connection, &boxes, &authors, stream).await
    }
}

/// Removes the alarms that the authors' messages have caused, and every trace of them. Returns their users.
async fn remove_alarms(
    connection: &mut PgConnection,
    boxes: &[&str],
    authors: &[&str],
    stream: &str,
) -> Result<BTreeSet<UserId>, sqlx::Error> {
    let removed = query_scalar!(
        "delete from alarms
         using unnest($1::text[], $2::text[]) as gone (box_id, author), messages,
             jsonb_array_elements(messages.alarms -> 'posted') as posted
         where messages.box_id = gone.box_id
           and messages.author = gone.author
           and alarms.user_id = posted ->> 'user'
           and alarms.stream = $3
           and alarms.position = coalesce((posted -> 'edit' ->> 0)::bigint, messages.message_id)
           and alarms.kind = posted ->> 'kind'
         returning alarms.user_id",
        boxes as &[&str],
        authors as &[&str],
        stream,
    )
    .fetch_all(&mut *connection)
    .await?;
    query!(
        "update messages
         set alarms = nullif(messages.alarms - 'posted', '{}')
         from unnest($1::text[], $2::text[]) as gone (box_id, author)
         where messages.box_id = gone.box_id
           and messages.author = gone.author
           and messages.alarms ? 'posted'",
        boxes as &[&str],
        authors as &[&str],
    )
    .execute(connection)
    .await?;
    Ok(removed.into_iter().filter_map(|user_id| user_id.parse().ok()).collect())
}

/// Replaces a text of the row with the erasure mark and sets a flag beside it, if its data match `concerns` and have
/// the field, which is null in a deleted message. Returns whether the data match.
fn redact(
    row: &mut FeedRow,
    (field, flag): (&str, &str),
    concerns: impl Fn(&Value) -> bool,
) -> Result<bool, InvalidEvent> {
    let mut data: Value = serde_json::from_str(row.data.get()).map_err(|error| json_error(&error))?;
    if !concerns(&data) {
        return Ok(false);
    }
    if let Some(text) = data.get_mut(field) {
        if text.is_string() {
            *text = ERASED.into();
        }
        remove_mentions(&mut data);
        data[flag] = true.into();
        row.data = to_raw_value(&data).map_err(|error| json_error(&error))?;
    }
    Ok(true)
}

async fn redact_messages(connection: &mut PgConnection, boxes: &[&str], authors: &[&str]) -> Result<(), sqlx::Error> {
    query!(
        "update room_events
         set data = case data -> 'body'
                 when 'null' then data
                 else data || jsonb_build_object('body', $3::text, 'mentions', '[]'::jsonb, 'mentions_all', false)
             end || jsonb_build_object('erased', true)
         from unnest($1::text[], $2::text[]) as gone (box_id, author), messages
         where messages.box_id = gone.box_id
           and messages.author = gone.author
           and room_events.box_id = messages.box_id
           and room_events.room_id = messages.room_id
           and room_events.message_id = messages.message_id
           and room_events.data ? 'body'
           and not (room_events.data ->> 'erased')::bool",
        boxes as &[&str],
        authors as &[&str],
        ERASED,
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "update messages
         set body = case when body is null then null else $3 end,
             erased = true, mentions = '[]', mentions_all = false, words = ''
         from unnest($1::text[], $2::text[]) as gone (box_id, author)
         where messages.box_id = gone.box_id
           and messages.author = gone.author
           and (not messages.erased or messages.body <> $3 or messages.mentions <> '[]' or messages.mentions_all)",
        boxes as &[&str],
        authors as &[&str],
        ERASED,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Redacts the titles that the authors gave to rooms. The first row of a room's feed names the host who opened it.
async fn redact_titles(connection: &mut PgConnection, boxes: &[&str], authors: &[&str]) -> Result<(), sqlx::Error> {
    query!(
        "update rooms
         set title = $3,
             title_erased = true,
             -- only the lexeme of the store has a colon
             words = array_to_tsvector(array(select lexeme from unnest(rooms.words) where lexeme like '%:%'))
         from unnest($1::text[], $2::text[]) as gone (box_id, author)
         where rooms.box_id = gone.box_id
           and rooms.title_by = gone.author
           and not rooms.title_erased",
        boxes as &[&str],
        authors as &[&str],
        ERASED,
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "update room_events
         set data = data || jsonb_build_object('title', $3::text, 'title_erased', true)
         from unnest($1::text[], $2::text[]) as gone (box_id, author)
         where room_events.box_id = gone.box_id
           and (
               room_events.v = 1 and room_events.data ->> 'host' = gone.author
               or room_events.type = 'room_changed' and room_events.by = gone.author and room_events.data ? 'title'
           )
           and not (room_events.data ->> 'title_erased')::bool",
        boxes as &[&str],
        authors as &[&str],
        ERASED,
    )
    .execute(connection)
    .await?;
    Ok(())
}
