//! `GET /rooms/{room}/messages/{message}`: one message with the message that it replies to.

use axum::Json;
use domain::{MessageId, RoomId};
use serde::{Deserialize, Serialize};
use service_kit::{
    auth::AsUser,
    extract::{Path, Query},
};
use sqlx::query_as;
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    page::NoParameters,
    position::MinPosition,
    problems::MessageProblems,
    reader::Reader,
    rooms::access::require_inside,
    schemas,
    views::{MessageView, Reactions},
};

/// The path of one message.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MessagePath {
    /// The id of the room.
    #[serde(rename = "room")]
    #[param(rename = "room", value_type = schemas::RoomId, inline)]
    room_id: RoomId,
    /// The id of the message.
    #[serde(rename = "message")]
    #[param(rename = "message", value_type = schemas::MessageId, inline)]
    message_id: MessageId,
}

/// A message with the message that it replies to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotingMessageView {
    #[serde(flatten)]
    message: MessageView,
    /// The message that it replies to; null if it is no reply.
    #[schema(required)]
    parent: Option<MessageView>,
}

/// Returns one message with the message that it replies to, for members only.
#[utoipa::path(
    get, path = "/rooms/{room}/messages/{message}", tag = "rooms", operation_id = "show_message",
    params(MessagePath, MinPosition),
    responses((status = 200, description = "The message", body = QuotingMessageView), MessageProblems)
)]
pub(crate) async fn show_message(
    AsUser(user_id): AsUser,
    Path(MessagePath { room_id, message_id }): Path<MessagePath>,
    Query(NoParameters {}): Query<NoParameters>,
    mut reader: Reader,
) -> Result<Json<QuotingMessageView>, Error> {
    let mut messages = query_as!(
        MessageView,
        r#"
        select
            m.message_id::text as "message_id!",
            m.room_id,
            m.author,
            m.body,
            m.erased,
            m.reply_to::text,
            m.posted_at,
            m.edited_at,
            m.body is null as "deleted!",
            m.reactions as "reactions: Reactions",
            m.mentions as "mentions: sqlx::types::Json<Vec<String>>",
            m.mentions_all,
            m.author in (select b.blocked from blocks b where b.user_id = $3) as "blocked!"
        from members me
        join messages q on q.box_id = me.box_id and q.room_id = me.room_id and q.message_id = $4
        -- a reply has a greater id than the message that it replies to
        join messages m on m.box_id = q.box_id and m.room_id = q.room_id and m.message_id in (q.message_id, q.reply_to)
        where me.box_id = $1 and me.room_id = $2 and me.user_id = $3 and me.standing = 'inside'
        order by m.message_id desc
        "#,
        room_id.box_id().as_str(),
        room_id.to_string(),
        user_id.as_str(),
        message_id.sequence().cast_signed(),
    )
    .fetch_all(&mut *reader)
    .await?
    .into_iter();
    let Some(message) = messages.next() else {
        require_inside(&mut reader, &room_id, &user_id).await?;
        return Err(Error::MessageNotFound);
    };
    Ok(Json(QuotingMessageView { message, parent: messages.next() }))
}
