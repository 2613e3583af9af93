//! `POST /boxes/{box}/sessions`: exchanges the secret of a box for a session.

use axum::{Json, extract::State};
use eserde::Deserialize;
use service_kit::{auth::Role, extract::Path, http::ClientAddress};
use utoipa::ToSchema;

use super::{Session, SignIn, device::UserAgent, start_session};
use crate::{
    app::App,
    boxes,
    error::Error,
    login_throttle::ThrottleKey,
    passwords::{BoxSecret, Work},
    paths::BoxPath,
    problems::Code,
    request::Command,
    schemas,
};

/// The sign-in of a box.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "secret": "Tz1mQ8vXr5bN2cK7pL4wS9dF6gH3jY0a" }))]
pub(crate) struct OpenBoxSession {
    /// The secret set by an operator.
    #[schema(value_type = schemas::BoxSecret)]
    #[eserde(compat)]
    secret: BoxSecret,
}

/// Signs a box in
///
/// Unknown boxes, boxes without credentials and wrong secrets get the same answer after the same time. An
/// `Idempotency-Key` has no effect: a repeat begins another session.
#[utoipa::path(post, path = "/boxes/{box}/sessions", tag = "sessions", params(BoxPath), request_body = OpenBoxSession)]
pub(crate) async fn open_box_session(
    State(app): State<App>,
    Path(BoxPath { box_id }): Path<BoxPath>,
    address: ClientAddress,
    user_agent: UserAgent,
    Command { body, .. }: Command<OpenBoxSession>,
) -> Result<Json<Session>, Error> {
    app.signing()?;
    let stored = app.accounts.get_box(&box_id).await?;
    let hash = stored.as_ref().map(|stored| stored.account.password_hash.as_str());
    let throttle_key = ThrottleKey::of_box(&app.secret, &box_id, address);
    let is_correct = app
        .login_throttle
        .check(&throttle_key, app.passwords.matches(Work::SignIn(address), body.secret, hash))
        .await?;
    let stored = stored.filter(|_| is_correct).ok_or(Code::WrongCredentials)?;
    // The credentials may briefly outlive the box: the log decides.
    if app.boxes.load_latest(&box_id).await?.0.is_retired() {
        return Err(Code::WrongCredentials.into());
    }
    let own = boxes::as_user(&box_id)?;
    let role = &Role::Device(box_id);
    let sign_in = SignIn { account: &stored, user_id: &own, role, device: None, user_agent };
    Ok(Json(start_session(&app, sign_in).await?))
}
