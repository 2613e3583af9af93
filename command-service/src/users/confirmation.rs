//! Confirmation of new users: an account waits until a link is opened that was sent to the user's contact address.
//!
//! Until then nothing is in the log, and the account has a lifetime. The link is delivered in the background, by a
//! webhook or a command of the installation. Neither delays or undoes a registration.

pub(crate) mod contact;
pub(crate) mod settings;

mod delivery;
mod hook;
mod link;

use std::time::Duration;

use anyhow::Result;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use credentials::Confirmation;
use domain::{UserId, values::Nickname};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::Error,
    problems::Code,
    quotas::{Quota, Taken},
    stamp::RequestSecret,
};
use contact::Contact;
use delivery::{Deliveries, Delivery};
use settings::ConfirmationArgs;

pub(crate) use link::{Link, LinkToken, MAX_CHARS};

/// The maximum number of times that the link of an account is sent.
const MAX_SENT: u32 = 5;

/// The time for which a repeat of a registration does not send the link again.
const RESEND_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// The maximum number of links to one contact address in an hour.
const LINKS_PER_CONTACT: u64 = 5;

/// The confirmation of registrations in this process.
pub(crate) struct Confirmations {
    /// The address before the token.
    link: String,
    lifetime: TimeDelta,
    per_contact: Quota<String>,
    deliveries: Deliveries,
}

/// The answer to a registration that waits for its confirmation: `202`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Unconfirmed {
    /// The id of the user.
    #[schema(example = "ana")]
    id: String,
    /// The time until which the link can be opened.
    expires_at: DateTime<Utc>,
}

impl Unconfirmed {
    /// The answer about an account that waits for this confirmation.
    pub(super) fn of(user_id: &UserId, confirmation: &Confirmation) -> Self {
        Self { id: user_id.to_string(), expires_at: confirmation.expires_at }
    }
}

impl IntoResponse for Unconfirmed {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self)).into_response()
    }
}

impl Confirmations {
    /// Creates the confirmation of these settings. None if users need none.
    pub(crate) fn open(settings: &ConfirmationArgs) -> Result<Option<Self>> {
        let Some((hook, link)) = settings.hook()? else { return Ok(None) };
        let per_contact = Quota::new(LINKS_PER_CONTACT, Duration::from_hours(1), Code::TooManyConfirmations);
        let lifetime = settings.confirmation_lifetime;
        Ok(Some(Self { link, lifetime, per_contact, deliveries: Deliveries::to(hook) }))
    }

    /// Counts a link to a contact address.
    pub(super) fn take(&self, contact: &Contact) -> Result<Option<Taken>, Error> {
        self.per_contact.take(&contact.key(), 1)
    }

    /// Returns the next confirmation of an account, whose link is to be sent. None if the former one was sent a moment
    /// ago. The link stays the same for the same contact address.
    pub(super) fn next(
        &self,
        former: Option<&Confirmation>,
        nickname: &Nickname,
        contact: &Contact,
        at: DateTime<Utc>,
    ) -> Result<Option<Confirmation>, Error> {
        let same = former.filter(|former| former.contact == contact.as_str());
        let was_just_sent =
            |same: &Confirmation| same.nickname == nickname.as_str() && at < same.sent_at + RESEND_PAUSE;
        if same.is_some_and(was_just_sent) {
            return Ok(None);
        }
        if let Some(former) = former.filter(|former| former.sent >= MAX_SENT) {
            return Err(too_many(former.expires_at - at));
        }
        let random = || BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let nonce = same.map_or_else(random, |same| same.nonce.clone());
        Ok(Some(Confirmation {
            nonce,
            contact: contact.as_str().to_owned(),
            nickname: nickname.as_str().to_owned(),
            expires_at: at + self.lifetime,
            sent: former.map_or(0, |former| former.sent) + 1,
            sent_at: at,
        }))
    }

    /// Delivers the link of an account in the background.
    pub(super) fn deliver(&self, secret: &RequestSecret, user_id: &UserId, confirmation: Confirmation) -> Unconfirmed {
        let answer = Unconfirmed::of(user_id, &confirmation);
        let Confirmation { nonce, contact, nickname, expires_at, .. } = confirmation;
        let token = Link { user_id: user_id.clone(), expires_at, nonce }.token(secret);
        let link = format!("{}{token}", self.link);
        let user_id = user_id.to_string();
        self.deliveries.begin(Delivery { user_id, nickname, contact, link, expires_at });
        answer
    }
}

fn too_many(wait: TimeDelta) -> Error {
    let seconds = u32::try_from(wait.num_seconds().max(0) + 1).unwrap_or(u32::MAX);
    Code::TooManyConfirmations.problem().retry_after(seconds).into()
}
