//! Commands of moderators and operators against abuse. Each has a reason, which the audit trail shows.

pub(crate) mod close_room;
pub(crate) mod erase_user;
pub(crate) mod lift_kick;
pub(crate) mod password_reset;
pub(crate) mod remove_message;
pub(crate) mod suspension;

use domain::{BoxCommand, BoxRefusal, DeliveryBox, RoomId, values::Reason};
use eserde::Deserialize;
use event_store::{ActorRole, CommandContext, CommandError, Committed};
use service_kit::auth::{Caller, Role};
use utoipa::ToSchema;

use crate::{app::App, error::Error, problems::Code, schemas, stamp::Stamp};

/// The reason for a command on users, rooms, boxes or stores.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "Advertising, reported by three members" }))]
pub(crate) struct Reasoned {
    /// The reason, which is kept in the audit trail for good. It should contain no personal data.
    #[schema(value_type = schemas::Reason)]
    #[eserde(compat)]
    pub(crate) reason: Reason,
}

/// Returns the context of a command of a moderator or an operator with a reason. Rejects a suspended moderator, even
/// while the token is valid.
async fn context(app: &App, caller: &Caller, reason: Reason, stamp: &Stamp) -> Result<CommandContext, Error> {
    Ok(CommandContext { reason: Some(reason), ..context_without_reason(app, caller, stamp).await? })
}

/// Like [`context`], for a command without a reason.
pub(crate) async fn context_without_reason(app: &App, caller: &Caller, stamp: &Stamp) -> Result<CommandContext, Error> {
    let role = match caller.role {
        Role::Operator => ActorRole::Operator,
        Role::Moderator => ActorRole::Moderator,
        Role::User | Role::Device(_) => return Err(Code::Forbidden.into()),
    };
    // With an external issuer, the id may also be that of a user, and another moderator may have
    // suspended the user.
    let has_account = app.signing.is_some();
    if role == ActorRole::Moderator && has_account && app.users.load(&caller.user_id).await?.0.is_suspended(stamp.at) {
        return Err(Code::AccountSuspended.into());
    }
    Ok(stamp.in_role(role, &caller.user_id))
}

/// Executes a command of a moderator on a room. Reports a missing box as a missing room.
async fn execute_in_room(
    app: &App,
    room_id: &RoomId,
    command: BoxCommand,
    context: CommandContext,
) -> Result<Committed<DeliveryBox>, CommandError<BoxRefusal>> {
    match app.boxes.execute(room_id.box_id(), command, context).await {
        Err(CommandError::Refused(BoxRefusal::BoxNotFound)) => Err(CommandError::Refused(BoxRefusal::RoomNotFound)),
        result => result,
    }
}
