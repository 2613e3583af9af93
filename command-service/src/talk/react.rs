//! `PUT` and `DELETE /rooms/{room}/messages/{message}/reactions/{emoji}`

use axum::extract::State;
use domain::{TalkCommand, values::Emoji};
use service_kit::{auth::AsUser, extract::Path};
use text::emoji;

use crate::{
    answer::Done, app::App, error::Error, paths::ReactionPath, problems::Code, request::BareCommand,
    settings::ReactionCode,
};

/// Reacts to a message with an emoji or a short code
#[utoipa::path(put, path = "/rooms/{room}/messages/{message}/reactions/{emoji}", tag = "talk", params(ReactionPath))]
pub(crate) async fn add_reaction(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(ReactionPath { room_id, message_id, emoji }): Path<ReactionPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let emoji = canonical(&parse(emoji)?, &app.reaction_codes)?;
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
    let emoji = parse(emoji)?;
    let original = app.original(&room_id, message_id).await?;
    let context = stamp.by(&user_id);
    let command = TalkCommand::RemoveReaction { user_id, original, emoji, at: stamp.at }.in_room(room_id.clone());
    let committed = app.in_room(&room_id, command, context).await?;
    Ok(Done::of(&committed))
}

/// Parses a text that may be a reaction, also one of an earlier release.
fn parse(text: String) -> Result<Emoji, Error> {
    Emoji::try_from(text).map_err(|error| Error::detailed(Code::InvalidReaction, error.to_string()))
}

/// Returns the form in which a reaction is stored.
fn canonical(reaction: &Emoji, codes: &[ReactionCode]) -> Result<Emoji, Error> {
    let text = reaction.as_str();
    if codes.iter().any(|code| code.as_str() == text) {
        return Ok(reaction.clone());
    }
    if emoji::short_code(text).is_some() {
        return Err(Error::detailed(Code::InvalidReaction, format!("{text} is not a short code of this installation")));
    }
    let stored = emoji::canonical(text).and_then(|emoji| Emoji::try_from(emoji.to_owned()).ok());
    stored.ok_or_else(|| Error::detailed(Code::InvalidReaction, "a reaction is one emoji, or a known short code"))
}
