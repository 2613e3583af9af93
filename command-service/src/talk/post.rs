//! `POST /rooms/{room}/messages`

use std::{sync::OnceLock, time::Duration};

use axum::extract::State;
use domain::{BoxCommand, BoxEvent, DeliveryBox, MessageId, RoomId, TalkCommand, values::MessageBody};
use eserde::Deserialize;
use event_store::{CommandContext, Committed};
use futures::FutureExt;
use service_kit::{auth::AsUser, extract::Path};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    answer::{Created, Posted},
    app::App,
    error::Error,
    paths::RoomPath,
    problems::Code,
    quotas::Admission,
    request::Command,
    schemas,
    slow_mode::{TurnRequest, command_of},
    talk::hold,
    text_filter::Filtered,
};

/// The time that the answer to a stored message waits for its read marker.
const MARK_TIMEOUT: Duration = Duration::from_secs(1);

/// A message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "body": "Who else wants a Margherita?" }))]
pub(crate) struct PostMessage {
    /// The text.
    #[schema(value_type = schemas::MessageBody)]
    #[eserde(compat)]
    body: MessageBody,
    /// The message that it replies to.
    #[schema(value_type = Option<schemas::MessageId>)]
    #[serde(default)]
    #[eserde(compat)]
    reply_to: Option<MessageId>,
    /// True to mark everything up to the new message as read. The message is posted even if the marker cannot be moved.
    #[serde(default)]
    read_marker: bool,
}

/// Posts a message to an open room
///
/// If a filter with the action `hold` has a match, the answer is `202`, and the message is posted when a moderator
/// publishes it.
#[utoipa::path(post, path = "/rooms/{room}/messages", tag = "talk", params(RoomPath), request_body = PostMessage)]
pub(crate) async fn post_message(
    State(app): State<App>,
    AsUser(author): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body: PostMessage { body, reply_to, read_marker }, stamp }: Command<PostMessage>,
) -> Result<Posted, Error> {
    let original = match reply_to {
        Some(message_id) => Some(app.original(&room_id, message_id).await?),
        None => None,
    };
    let Filtered { text: body, is_refused, is_held } = app.text_filter.message(body).await?;
    let held = is_held.then(|| body.to_string());
    let admission = app.quotas.message(&author, body.as_str().len()).unless_refused(is_refused);
    let command = TalkCommand::PostMessage { author: author.clone(), body, reply_to: original, at: stamp.at }
        .in_room(room_id.clone());
    let committed = match (post(&app, &room_id, command, stamp.by(&author), admission).await, held) {
        (Err(error), Some(text)) if error.is(Code::RefusedByFilter) => {
            return hold::hold(&app, &author, (room_id, text, reply_to), &stamp).await;
        }
        (committed, _) => committed?,
    };
    let message_id = committed.sequence;
    let mut created = Created::of(&committed, &message_id);
    if read_marker {
        // The key is that of the message. A repeat moves the marker if the first request could not.
        let context = CommandContext { command_id: None, ..stamp.by(&author) };
        let mark = app.marks.mark(&room_id, &author, MessageId::new(message_id), &context);
        match timeout(MARK_TIMEOUT, mark).await {
            Ok(Ok(marked)) => created = created.and_at(marked.position),
            Ok(Err(error)) => {
                tracing::warn!(room.id = %room_id, %error, "the read marker of a posted message was not moved");
            }
            Err(_) => tracing::warn!(room.id = %room_id, "the read marker of a posted message is slow"),
        }
    }
    Ok(Posted::Created(created))
}

/// Stores a message. In slow mode it takes a turn of its author after the rules of the box have accepted it. The state
/// is the one that it was decided on, or a later one: then the append fails, and the command is decided again.
async fn post(
    app: &App,
    room_id: &RoomId,
    command: BoxCommand,
    context: CommandContext,
    admission: Admission<'_>,
) -> Result<Committed<DeliveryBox>, Error> {
    let (user_id, at, identity) = (&context.actor, context.at, OnceLock::new());
    let prepare = |events: &[BoxEvent]| {
        let (admitted, is_empty) = (admission.require(events), events.is_empty());
        let (admission, context, identity) = (&admission, &context, &identity);
        async move {
            admitted?;
            let (state, _) = app.boxes.load(room_id.box_id()).await?;
            let interval = state.last_room(room_id).and_then(|room| room.slow_mode_of(user_id));
            let Some(interval) = interval.filter(|_| !is_empty) else { return Ok(()) };
            let command = identity.get_or_init(|| command_of(context));
            match app.turns.take(&TurnRequest { room_id, user_id, command, at }, interval).await {
                Ok(None) => Ok(()),
                Ok(Some(wait)) => Err(admission.reject(Error::slow_mode(wait))),
                Err(error) => Err(admission.reject(error)),
            }
        }
        .boxed()
    };
    let committed = app.prepared_in_room(room_id, command, context.clone(), &prepare).await;
    admission.conclude(committed)
}
