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
    schemas,
    stamp::Stamp,
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
}

/// Joins a room
#[utoipa::path(
    post, path = "/rooms/{room}/members", tag = "rooms", params(RoomPath), request_body = Option<JoinRoom>
)]
pub(crate) async fn join_room(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(RoomPath { room_id }): Path<RoomPath>,
    OptionalBodyCommand { body, stamp }: OptionalBodyCommand<JoinRoom>,
) -> Result<Created, Error> {
    let committed = join(&app, &room_id, &user_id, body.password, &stamp).await?;
    Ok(Created::of(&committed, &user_id))
}

/// Checks the password against the cached state, which may be behind. A password is wrong only if the latest state of
/// the room rejects it as well.
async fn join(
    app: &App,
    room_id: &RoomId,
    user_id: &UserId,
    password: Option<RoomPassword>,
    stamp: &Stamp,
) -> Result<Committed<DeliveryBox>, Error> {
    let (known, _) = app.boxes.load(room_id.box_id()).await?;
    let hash = password_hash_of(&known, room_id);
    let result = try_to_join(app, room_id, user_id, password.clone(), hash, stamp).await?;
    if !matches!(result, Err(CommandError::Refused(BoxRefusal::WrongPassword))) {
        return Ok(result?);
    }
    let (latest, _) = app.boxes.load_latest(room_id.box_id()).await?;
    if password_hash_of(&latest, room_id) == hash {
        return Ok(result?);
    }
    Ok(try_to_join(app, room_id, user_id, password, password_hash_of(&latest, room_id), stamp).await??)
}

fn password_hash_of<'a>(state: &'a DeliveryBox, room_id: &RoomId) -> Option<&'a str> {
    state.last_room(room_id).and_then(|room| room.password_hash())
}

async fn try_to_join(
    app: &App,
    room_id: &RoomId,
    user_id: &UserId,
    password: Option<RoomPassword>,
    lock: Option<&str>,
    stamp: &Stamp,
) -> Result<Result<Committed<DeliveryBox>, CommandError<BoxRefusal>>, Error> {
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
    let (room, user) = (room_id.clone(), user_id.clone());
    let command = RoomCommand::JoinRoom { user_id: user, password, at: stamp.at }.in_room(room);
    let admission = app.quotas.joining(|| app.boxes.memberships_of(user_id));
    let _guard = app.quotas.lock_joins(user_id).await;
    let joined = app.prepared_in_room(room_id, command, stamp.by(user_id), &admission.preparation()).await;
    match joined {
        Err(refused @ CommandError::Refused(_)) => Ok(Err(refused)),
        joined => Ok(Ok(admission.conclude(joined)?)),
    }
}
