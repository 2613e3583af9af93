//! The steps of a registration that needs a confirmation: an account with a lifetime, and the delivery of its link.

use chrono::{DateTime, Utc};
use credentials::{Account, AccountError, AccountState};
use domain::values::Nickname;

use super::{
    confirmation::{Confirmations, Unconfirmed, contact::Contact},
    registration::{Applicant, PENDING_LIFETIME, ROLE},
};
use crate::{app::App, error::Error, problems::Code, quotas::Taken};

/// The maximum number of attempts to change an account against concurrent changes.
const ATTEMPTS: usize = 8;

/// Creates an account that waits for its confirmation, or changes an existing one, and delivers the link in the
/// background.
pub(super) async fn request(
    app: &App,
    confirmations: &Confirmations,
    applicant: Applicant<'_>,
    (nickname, contact): (Nickname, Contact),
    at: DateTime<Utc>,
) -> Result<Unconfirmed, Error> {
    let user_id = applicant.user_id;
    let taken = confirmations.take(&contact)?;
    for _ in 0..ATTEMPTS {
        let written = match app.accounts.get(user_id).await? {
            // An operator's account. The password is not checked, so that the answer reveals nothing about it.
            Some(stored) if stored.account.role != ROLE => return Err(Code::UserExists.into()),
            Some(stored) if is_expired(&stored.account, at) => {
                match app.accounts.delete(user_id, stored.revision).await {
                    Ok(()) | Err(AccountError::Conflict) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            // Confirmed meanwhile. The password is not checked: a repeat finds the user, and checks it.
            Some(stored) if stored.account.state == AccountState::Active => return Err(Code::UserExists.into()),
            Some(stored) => {
                if !applicant.matches(app, Some(&stored)).await? {
                    return Err(Code::UserExists.into());
                }
                let former = stored.account.confirmation.as_ref();
                // The user may be registered at this moment with the former link: then nothing may give the account a
                // lifetime.
                let is_waiting = stored.account.state == AccountState::Unconfirmed;
                let next = if is_waiting { confirmations.next(former, &nickname, &contact, at)? } else { None };
                match next {
                    Some(next) => app.accounts.await_confirmation(stored, next.clone(), at).await.map(|_| next),
                    None => return former.map(|former| Unconfirmed::of(user_id, former)).ok_or_else(Error::contended),
                }
            }
            None => {
                let (hash, role) = (applicant.hash(app).await?, ROLE.to_owned());
                let next = confirmations.next(None, &nickname, &contact, at)?.ok_or_else(Error::contended)?;
                app.accounts.create_unconfirmed(user_id, hash, role, next.clone(), at).await.map(|_| next)
            }
        };
        match written {
            Ok(confirmation) => {
                taken.into_iter().for_each(Taken::keep);
                return Ok(confirmations.deliver(&app.secret, user_id, confirmation));
            }
            Err(AccountError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AccountError::Conflict.into())
}

/// Returns true if any registration may replace an account. One without a confirmation is that of an interrupted
/// registration.
fn is_expired(account: &Account, at: DateTime<Utc>) -> bool {
    match (&account.confirmation, account.state) {
        (_, AccountState::Active) => false,
        (Some(confirmation), _) => confirmation.expires_at <= at,
        (None, _) => at - account.created_at >= PENDING_LIFETIME,
    }
}
