//! `POST /rooms/{room}/members`

use axum::extract::State;
use domain::{BoxRefusal, DeliveryBox, PasswordProof, RoomCommand, RoomId, UserId};
use eserde::Deserialize;
use event_store::{CommandError, Committed};
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{
    answer::Created,
    app::App,
    error::Error,
    login_throttle::ThrottleKey,
    passwords::{RoomPassword, Work},
    paths::RoomPath,
    request::OptionalBodyCommand,
    rooms::invitation::hash_of,
    schemas,
    stamp::Stamp,
    users::registration_policy::InvitationToken,
};

/// A request to join a room.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "password": "margherita" }))]
pub(crate) struct JoinRoom {
    /// The password of a locked room.
    #[schema(value_type = Option<schemas::RoomPassword>)]
    #[serde(default)]
    #[eserde(compat)]
    password: Option<RoomPassword>,
    /// The token of an invitation to the room, in place of the password.
    #[schema(value_type = Option<schemas::InvitationToken>)]
    #[serde(default)]
    #[eserde(compat)]
    invitation: Option<InvitationToken>,
}

/// Joins a room
///
/// An invitation takes the place of the password, and of the permission to use a private box.
#[utoipa::path(
    post, path = "/rooms/{room}/members", tag = "rooms", params(RoomPath), request_body = Option<JoinRoom>
)]
pub(crate) async fn join_room(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    OptionalBodyCommand { body, stamp }: OptionalBodyCommand<JoinRoom>,
) -> Result<Created, Error> {
    let attempt = Attempt { app: &app, room_id: &room_id, user_id: &user_id, stamp: &stamp };
    let committed = match body.invitation {
        Some(invitation) => attempt.with(PasswordProof::Missing, Some(hash_of(invitation.as_str()))).await??,
        None => attempt.join(body.password).await?,
    };
    Ok(Created::of(&committed, &user_id))
}

/// One request to join a room.
struct Attempt<'a> {
    app: &'a App,
    room_id: &'a RoomId,
    user_id: &'a UserId,
    stamp: &'a Stamp,
}

type Joined = Result<Committed<DeliveryBox>, CommandError<BoxRefusal>>;

impl Attempt<'_> {
    /// Checks the password against the cached state, which may be behind. A password is wrong only if the latest state
    /// of the room rejects it as well.
    async fn join(&self, password: Option<RoomPassword>) -> Result<Committed<DeliveryBox>, Error> {
        let (known, _) = self.app.boxes.load(self.room_id.box_id()).await?;
        let hash = self.password_hash(&known);
        let result = self.with_password(password.clone(), hash).await?;
        if !matches!(result, Err(CommandError::Refused(BoxRefusal::WrongPassword))) {
            return Ok(result?);
        }
        let (latest, _) = self.app.boxes.load_latest(self.room_id.box_id()).await?;
        if self.password_hash(&latest) == hash {
            return Ok(result?);
        }
        Ok(self.with_password(password, self.password_hash(&latest)).await??)
    }

    fn password_hash<'s>(&self, state: &'s DeliveryBox) -> Option<&'s str> {
        state.last_room(self.room_id).and_then(|room| room.password_hash())
    }

    async fn with_password(&self, password: Option<RoomPassword>, lock: Option<&str>) -> Result<Joined, Error> {
        let Self { app, room_id, user_id, .. } = *self;
        let password = match (&password, lock) {
            (None, _) => PasswordProof::Missing,
            (Some(password), Some(hash)) => {
                let throttle_key = ThrottleKey::room(room_id, user_id);
                let is_correct = app
                    .login_throttle
                    .check(&throttle_key, app.passwords.matches(Work::Room(user_id), password.clone(), Some(hash)))
                    .await?;
                if is_correct { PasswordProof::Matches(hash.to_owned()) } else { PasswordProof::Wrong }
            }
            (Some(_), None) => PasswordProof::Wrong,
        };
        self.with(password, None).await
    }

    async fn with(&self, password: PasswordProof, invitation: Option<String>) -> Result<Joined, Error> {
        let Self { app, room_id, user_id, stamp } = *self;
        let command = RoomCommand::JoinRoom { user_id: user_id.clone(), password, invitation, at: stamp.at };
        let admission = app.quotas.joining(|| app.boxes.memberships_of(user_id));
        let _guard = app.quotas.lock_joins(user_id).await;
        let context = stamp.by(user_id);
        let command = command.in_room(room_id.clone());
        let joined = app.prepared_in_room(room_id, command, context, &admission.preparation()).await;
        match joined {
            Err(refused @ CommandError::Refused(_)) => Ok(Err(refused)),
            joined => Ok(Ok(admission.conclude(joined)?)),
        }
    }
}
