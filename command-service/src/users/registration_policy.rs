//! The conditions of a registration: the mode of the installation, invitations, and rate limits.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use credentials::Invitations;
use domain::UserId;
use serde::Deserialize;
use service_kit::http::ClientAddress;

use crate::{
    error::Error,
    problems::Code,
    quotas::{Quota, Taken},
};

const HOUR: Duration = Duration::from_hours(1);

/// The maximum length of the token of an invitation.
pub(crate) const MAX_INVITATION_CHARS: usize = 64;

/// The clients that may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RegistrationMode {
    /// Any client
    Open,
    /// Clients with an invitation
    Invitation,
    /// None
    Closed,
}

/// The settings of registrations with a password. An external issuer has conditions of its own.
#[derive(Debug, Clone, Args)]
pub struct RegistrationArgs {
    /// Clients that may register
    #[arg(long, env = "BOXROOM_REGISTRATION", default_value = "open", value_name = "MODE")]
    pub registration: RegistrationMode,

    /// Most registrations from one address (or IPv6 /64 network) in an hour; 0 for no limit
    #[arg(long, env = "BOXROOM_REGISTRATIONS_PER_ADDRESS", default_value_t = 60, value_name = "USERS")]
    pub registrations_per_address: u64,

    /// Most registrations in an hour; 0 for no limit
    #[arg(long, env = "BOXROOM_REGISTRATIONS_PER_HOUR", default_value_t = 1000, value_name = "USERS")]
    pub registrations_per_hour: u64,
}

/// The token of an invitation, of valid length. It has no `Debug` form.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct InvitationToken(String);

impl TryFrom<String> for InvitationToken {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_valid = (1..=MAX_INVITATION_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_valid {
            Ok(Self(text))
        } else {
            Err(format!("an invitation has 1 to {MAX_INVITATION_CHARS} letters, digits, - and _"))
        }
    }
}

impl InvitationToken {
    /// The token.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitationToken(..)")
    }
}

/// The conditions of a registration.
pub(crate) struct RegistrationPolicy {
    mode: RegistrationMode,
    invitations: Invitations,
    of_address: Quota<ClientAddress>,
    of_all: Quota<()>,
}

/// A new user, before the registration.
pub(super) struct Newcomer<'a> {
    pub(super) user_id: &'a UserId,
    pub(super) address: ClientAddress,
    pub(super) invitation: Option<&'a InvitationToken>,
}

impl RegistrationPolicy {
    /// Creates the conditions of these settings.
    pub(crate) fn new(settings: &RegistrationArgs, invitations: Invitations) -> Self {
        let code = Code::TooManyRegistrations;
        Self {
            mode: settings.registration,
            invitations,
            of_address: Quota::new(settings.registrations_per_address, HOUR, code),
            of_all: Quota::new(settings.registrations_per_hour, HOUR, code),
        }
    }

    /// Admits a new user, whose invitation is redeemed for this id. Returns what counts if the registration succeeds.
    pub(super) async fn admit(&self, newcomer: &Newcomer<'_>, at: DateTime<Utc>) -> Result<Vec<Taken>, Error> {
        let Newcomer { user_id, address, invitation } = newcomer;
        if self.mode == RegistrationMode::Closed {
            return Err(Code::RegistrationClosed.into());
        }
        // Requests over NATS have no address.
        let of_address = match *address {
            ClientAddress::UNSPECIFIED => None,
            address => self.of_address.take(&address, 1)?,
        };
        let of_all = self.of_all.take(&(), 1)?;
        if self.mode == RegistrationMode::Invitation {
            let InvitationToken(token) = invitation.ok_or(Code::InvalidInvitation)?;
            if !self.invitations.redeem(token, user_id, at).await? {
                return Err(Code::InvalidInvitation.into());
            }
        }
        Ok(of_address.into_iter().chain(of_all).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_an_invitation_has_a_valid_form_and_is_never_printed() {
        let token = InvitationToken::try_from("5f0c-3A9f_".to_owned()).unwrap();
        assert_eq!(format!("{token:?}"), "InvitationToken(..)");
        for bad in ["", "a b", "a.b", "ä", "*", &"x".repeat(65)] {
            assert!(InvitationToken::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
