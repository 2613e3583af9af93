//! The steps of a registration: a pending account, the user and the nickname in one batch, the confirmed account.
//!
//! A crash between the steps leaves a pending account. A repeat of the registration with the same password completes
//! it. After a while any registration may replace it, unless the user is in the log already.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use credentials::{AccountError, AccountState, StoredAccount};
use domain::{Position, User, UserCommand, UserId, UserRefusal, values::Nickname};
use eserde::Deserialize;
use event_store::{CommandError, Committed};
use service_kit::{extract::invalid_field, http::ClientAddress};
use sign_in::NewAccountPassword;
use utoipa::ToSchema;
use wire::StreamName;

use super::{
    confirmation::{Unconfirmed, contact::Contact},
    registration_policy::{InvitationToken, Newcomer},
    unconfirmed,
};
use crate::{
    answer::Created, app::App, error::Error, login_throttle::ThrottleKey, metrics::METRICS, passwords::Work,
    problems::Code, quotas::Taken, schemas, stamp::Stamp,
};

/// The time for which a pending account waits to be completed.
pub(super) const PENDING_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// The maximum number of attempts to change an account against concurrent changes.
const ATTEMPTS: usize = 8;

/// The role of self-registered accounts.
pub(super) const ROLE: &str = "user";

/// The registration of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "user_id": "ana", "password": "correct horse", "nickname": "Ana" }))]
pub(crate) struct RegisterUser {
    /// The id; it cannot be changed later.
    #[schema(value_type = schemas::UserId)]
    #[eserde(compat)]
    user_id: UserId,
    /// The account's password.
    #[schema(value_type = schemas::AccountPassword)]
    #[eserde(compat)]
    password: NewAccountPassword,
    /// The nickname that others see; no other user has one that looks like it.
    #[schema(value_type = schemas::Nickname)]
    #[eserde(compat)]
    nickname: Nickname,
    /// The invitation, if the installation takes registrations by invitation only.
    #[schema(value_type = Option<schemas::InvitationToken>)]
    #[serde(default)]
    #[eserde(compat)]
    invitation: Option<InvitationToken>,
    /// The e-mail address that gets the link to confirm the registration. Required if the installation confirms
    /// registrations, and forgotten afterwards.
    #[schema(value_type = Option<schemas::Contact>)]
    #[serde(default)]
    #[eserde(compat)]
    contact: Option<Contact>,
}

/// The answer to a registration.
pub(crate) enum Registered {
    Now(Created),
    /// When the link is opened.
    Later(Unconfirmed),
}

impl IntoResponse for Registered {
    fn into_response(self) -> Response {
        match self {
            Self::Now(created) => created.into_response(),
            Self::Later(unconfirmed) => unconfirmed.into_response(),
        }
    }
}

/// Registers a user, or completes an interrupted registration.
pub(super) async fn register(
    app: &App,
    request: RegisterUser,
    address: ClientAddress,
    stamp: &Stamp,
) -> Result<Registered, Error> {
    let RegisterUser { user_id, password, nickname, invitation, contact } = request;
    if user_id.is_reserved() {
        return Err(Code::UserExists.into());
    }
    app.nicknames.claimed().await?;
    let is_refused = app.text_filter.refuses_nickname(&nickname).await?;
    let (user, version) = app.users.load_latest(&user_id).await?;
    let throttle_key = ThrottleKey::account(&app.secret, &user_id, address);
    let applicant = Applicant { user_id: &user_id, throttle_key, password, address };
    if user.is_taken() {
        let completed = verify_existing(app, applicant, stamp.key.is_some()).await?;
        let command = UserCommand::RegisterUser { user_id: user_id.clone(), nickname };
        let created = match app.users.execute(&user_id, command, stamp.by(&user_id)).await {
            Err(CommandError::Refused(UserRefusal::UserExists)) if completed => {
                Created::replayed(position(app, version), &user_id)
            }
            result => Created::of(&result?, &user_id),
        };
        return Ok(Registered::Now(created));
    }
    // A registered user, whose request may be a repeat, is answered before.
    if is_refused {
        return Err(Code::RefusedByFilter.into());
    }
    let missing = || invalid_field("/contact", "an e-mail address is required to confirm the registration");
    let confirmation = match &app.confirmations {
        Some(confirmations) => Some((confirmations, contact.ok_or_else(missing)?)),
        None => None,
    };
    let newcomer = Newcomer { user_id: &user_id, address, invitation: invitation.as_ref() };
    let counted = app.registration.admit(&newcomer, stamp.at).await?;
    if let Some((confirmations, contact)) = confirmation {
        let unconfirmed = unconfirmed::request(app, confirmations, applicant, (nickname, contact), stamp.at).await?;
        counted.into_iter().for_each(Taken::keep);
        return Ok(Registered::Later(unconfirmed));
    }
    let pending = open_account(app, applicant, stamp.at).await?;
    let command = UserCommand::RegisterUser { user_id: user_id.clone(), nickname };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await;
    complete(app, &user_id, pending, &committed).await?;
    let committed = committed?;
    if !committed.replayed {
        METRICS.registrations.inc();
        counted.into_iter().for_each(Taken::keep);
    }
    Ok(Registered::Now(Created::of(&committed, &user_id)))
}

/// The user id and the password of a registration.
pub(super) struct Applicant<'a> {
    pub(super) user_id: &'a UserId,
    /// The throttle key: wrong passwords count like those of sign-ins.
    throttle_key: ThrottleKey,
    password: NewAccountPassword,
    address: ClientAddress,
}

impl Applicant<'_> {
    /// Returns true if the password is that of the account. Wrong ones are throttled.
    pub(super) async fn matches(&self, app: &App, stored: Option<&StoredAccount>) -> Result<bool, Error> {
        let hash = stored.map(|stored| stored.account.password_hash.as_str());
        let is_correct = app.passwords.matches(Work::Registration(self.address), self.password.to_compare(), hash);
        app.login_throttle.check(&self.throttle_key, is_correct).await
    }

    /// Returns a new hash of the password.
    pub(super) async fn hash(&self, app: &App) -> Result<String, Error> {
        Ok(app.passwords.hash(Work::Registration(self.address), self.password.clone()).await?)
    }
}

/// Checks the password of a registered user before any answer that depends on it: that of an earlier registration with
/// the same key, and the completion of an interrupted one. Returns true if a pending account was completed.
async fn verify_existing(app: &App, applicant: Applicant<'_>, has_key: bool) -> Result<bool, Error> {
    let stored = app.accounts.get(applicant.user_id).await?;
    let is_pending = stored.as_ref().is_some_and(|stored| stored.account.state != AccountState::Active);
    if (has_key || is_pending) && !applicant.matches(app, stored.as_ref()).await? {
        return Err(Code::UserExists.into());
    }
    match stored.filter(|_| is_pending) {
        Some(stored) => confirm(app, applicant.user_id, stored).await.map(|()| true),
        None => Ok(false),
    }
}

/// Returns a pending account with this password: a new one, or that of an interrupted attempt.
async fn open_account(app: &App, applicant: Applicant<'_>, at: DateTime<Utc>) -> Result<StoredAccount, Error> {
    let user_id = applicant.user_id;
    let mut hash = None;
    for _ in 0..ATTEMPTS {
        match app.accounts.get(user_id).await? {
            // Created by this call. The password is not checked: wrong passwords of others would delay this caller.
            Some(stored) if hash.as_ref() == Some(&stored.account.password_hash) => return Ok(stored),
            // An operator's or moderator's account. The password is not checked, so that the answer reveals nothing
            // about it.
            Some(stored) if stored.account.role != ROLE => return Err(Code::UserExists.into()),
            Some(stored)
                if at - stored.account.created_at < PENDING_LIFETIME
                    || stored.account.state == AccountState::Active =>
            {
                return if applicant.matches(app, Some(&stored)).await? {
                    Ok(stored)
                } else {
                    Err(Code::UserExists.into())
                };
            }
            Some(expired) => ignore_conflict(app.accounts.delete(user_id, expired.revision).await)?,
            None => {
                let hash = if let Some(hash) = &hash { hash } else { hash.insert(applicant.hash(app).await?) };
                ignore_conflict(
                    app.accounts.create_pending(user_id, hash.clone(), ROLE.to_owned(), at).await.map(drop),
                )?;
            }
        }
    }
    Err(AccountError::Conflict.into())
}

/// Completes the registration after the batch: activates the account, or deletes it if the nickname was taken.
async fn complete(
    app: &App,
    user_id: &UserId,
    pending: StoredAccount,
    committed: &Result<Committed<User>, CommandError<UserRefusal>>,
) -> Result<(), Error> {
    match committed {
        Ok(_) => confirm(app, user_id, pending).await,
        Err(CommandError::Refused(UserRefusal::NicknameTaken)) => {
            ignore_conflict(app.accounts.delete(user_id, pending.revision).await)
        }
        // The batch may have been stored, or a concurrent repeat may be completing the registration.
        Err(_) => Ok(()),
    }
}

/// Activates the account. A user in the log gets it back if it was deleted meanwhile.
pub(crate) async fn confirm(app: &App, user_id: &UserId, pending: StoredAccount) -> Result<(), Error> {
    let hash = pending.account.password_hash.clone();
    let mut stored = Some(pending);
    for _ in 0..ATTEMPTS {
        match stored {
            Some(stored) if stored.account.state == AccountState::Active => return Ok(()),
            Some(stored) => match app.accounts.confirm(stored).await {
                Err(AccountError::Conflict) => {}
                result => return Ok(result.map(drop)?),
            },
            None => {
                let created = app.accounts.create_pending(user_id, hash.clone(), ROLE.to_owned(), DateTime::UNIX_EPOCH);
                ignore_conflict(created.await.map(drop))?;
            }
        }
        stored = app.accounts.get(user_id).await?;
    }
    Err(AccountError::Conflict.into())
}

/// Ignores a conflict with a concurrent change: the next read shows it.
fn ignore_conflict(result: Result<(), AccountError>) -> Result<(), Error> {
    match result {
        Ok(()) | Err(AccountError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn position(app: &App, version: u64) -> Position {
    let tails = app.users.tails();
    let incarnation = tails.into_iter().find_map(|(_, state)| state.incarnation).unwrap_or_default();
    Position { stream: StreamName::User.label(), incarnation, sequence: version }
}
