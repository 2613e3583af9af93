//! `POST /rooms/{room}/invitations` and `DELETE /rooms/{room}/invitations/{invitation}`

#![expect(clippy::unnecessary_wraps, reason = "eserde generates such a function for a field with its own deserializer")]

use axum::extract::State;
use domain::{
    BoxEvent, RoomCommand, RoomEvent, RoomId, UserId,
    delivery_box::InvitationLimits,
    values::{InvitationMinutes, InvitationUses},
};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use wire::subject::hex;

use crate::{
    answer::{CreatedInvitation, Done},
    app::App,
    error::Error,
    numbers::whole_number,
    paths::{InvitationNumber, InvitationPath, RoomPath},
    problems::Code,
    request::{BareCommand, Command},
    schemas,
    stamp::Stamp,
};

/// An invitation to a room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "uses": 3, "minutes": 60 }))]
pub(crate) struct CreateInvitation {
    /// The number of users who can join with it.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = schemas::InvitationUses)]
    uses: InvitationUses,
    /// The number of minutes for which it is valid.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = schemas::InvitationMinutes)]
    minutes: InvitationMinutes,
}

/// Returns the hash of a token, which the log keeps in place of the token.
pub(crate) fn hash_of(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Returns the token of a new invitation. A repeat with the same idempotency key gets the same token, so that it need
/// not be stored.
fn new_token(app: &App, room_id: &RoomId, by: &UserId, stamp: &Stamp) -> String {
    let unique = stamp.key.clone().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let parts = ["room-invitation", &room_id.to_string(), by.as_str(), &unique];
    app.secret.hash(&parts.map(str::as_bytes)).to_string()
}

/// Makes an invitation, with which users join without the password
///
/// The answer is the only place of its token. A room has at most ten valid invitations.
#[utoipa::path(
    post, path = "/rooms/{room}/invitations", tag = "rooms", params(RoomPath), request_body = CreateInvitation
)]
pub(crate) async fn create_room_invitation(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    Command { body: CreateInvitation { uses, minutes }, stamp }: Command<CreateInvitation>,
) -> Result<CreatedInvitation, Error> {
    let token = new_token(&app, &room_id, &by, &stamp);
    let (token_hash, limits) = (hash_of(&token), InvitationLimits { uses, minutes });
    let command = RoomCommand::CreateInvitation { by: by.clone(), token_hash, limits, at: stamp.at };
    let committed = app.change_room(&room_id, command.in_room(room_id.clone()), stamp.by(&by)).await?;
    let number = committed.events.iter().find_map(|event| match event {
        BoxEvent::Room { event: RoomEvent::InvitationCreated { invitation, .. }, .. } => Some(*invitation),
        _ => None,
    });
    Ok(CreatedInvitation::of(&committed, &number.ok_or(Code::Internal)?, token))
}

/// Revokes an invitation
///
/// Users who have joined with it stay. One that has expired or is used up counts as revoked.
#[utoipa::path(delete, path = "/rooms/{room}/invitations/{invitation}", tag = "rooms", params(InvitationPath))]
pub(crate) async fn revoke_room_invitation(
    State(app): State<App>,
    AsUser(by): AsUser,
    Path(InvitationPath { room_id, invitation: InvitationNumber(invitation) }): Path<InvitationPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = RoomCommand::RevokeInvitation { by: by.clone(), invitation, at: stamp.at }.in_room(room_id.clone());
    let committed = app.change_room(&room_id, command, stamp.by(&by)).await?;
    Ok(Done::of(&committed))
}
