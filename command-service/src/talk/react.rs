//! `PUT` and `DELETE /rooms/{room}/messages/{message}/reactions/{emoji}`

use axum::extract::State;
use domain::TalkCommand;
use service_kit::{auth::AsUser, extract::Path};

use crate::{answer::Done, app::App, error::Error, paths::ReactionPath, request::BareCommand};

/// Reacts to a message
#[utoipa::path(put, path = "/rooms/{room}/messages/{message}/reactions/{emoji}", tag = "talk", params(ReactionPath))]
pub(crate) async fn add_reaction(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(ReactionPath { room_id, message_id, emoji }): Path<ReactionPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let original = app.original(&room_id, message_id).await?;
    let context = stamp.by(&user_id);
    let command = TalkCommand::AddReaction { user_id, original, emoji, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, context).await?;
    Ok(Done::of(&committed))
}

/// Removes a reaction of the caller
#[utoipa::path(delete, path = "/rooms/{room}/messages/{message}/reactions/{emoji}", tag = "talk", params(ReactionPath))]
pub(crate) async fn remove_reaction(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(ReactionPath { room_id, message_id, emoji }): Path<ReactionPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let original = app.original(&room_id, message_id).await?;
    let context = stamp.by(&user_id);
    let command = TalkCommand::RemoveReaction { user_id, original, emoji, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, context).await?;
    Ok(Done::of(&committed))
}
