//! All callers of the authorization table.

use harness::token::{Bearer, TokenSigner};
use system_tests::World;

/// The caller of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Anonymous(BadToken),
    Operator,
    Moderator,
    Box,
    OtherBox,
    Suspended,
    Other,
    Invited,
    Parted,
    Kicked,
    Member,
    Blocked,
    CoHost,
    Host,
}

/// The defect of an anonymous caller's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadToken {
    None,
    Expired,
    WrongKey,
    Unsigned,
}

impl BadToken {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Expired, Self::WrongKey, Self::Unsigned];

    /// The code of the refusal.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::None => "missing-token",
            Self::Expired => "expired-token",
            Self::WrongKey | Self::Unsigned => "invalid-token",
        }
    }
}

impl Caller {
    /// All callers with a valid token.
    pub(super) const SIGNED_IN: [Self; 13] = [
        Self::Operator,
        Self::Moderator,
        Self::Box,
        Self::OtherBox,
        Self::Suspended,
        Self::Other,
        Self::Invited,
        Self::Parted,
        Self::Kicked,
        Self::Member,
        Self::Blocked,
        Self::CoHost,
        Self::Host,
    ];

    /// All callers.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        BadToken::ALL.map(Self::Anonymous).into_iter().chain(Self::SIGNED_IN)
    }

    /// The code of the refusal if the caller's token is invalid.
    pub(super) fn token_refusal(self) -> Option<&'static str> {
        match self {
            Self::Anonymous(kind) => Some(kind.code()),
            // A suspension revokes the tokens that were issued before.
            Self::Suspended => Some("revoked-token"),
            _ => None,
        }
    }

    /// The column of the table.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Anonymous(_) => "nobody",
            Self::Operator => "operator",
            Self::Moderator => "moderator",
            Self::Box => "box",
            Self::OtherBox => "other box",
            Self::Suspended => "suspended",
            Self::Other => "other user",
            Self::Invited => "invited",
            Self::Parted => "parted",
            Self::Kicked => "kicked",
            Self::Member => "member",
            Self::Blocked => "blocked",
            Self::CoHost => "co-host",
            Self::Host => "host",
        }
    }
}

/// Makes the tokens of anonymous callers.
pub(super) struct Strangers {
    token_signer: TokenSigner,
}

impl Strangers {
    /// Creates a signer whose key is not one of the stack's.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = provision::keys::write(folder.path()).unwrap();
        Self { token_signer: TokenSigner::read(&files.signing_keys).unwrap() }
    }

    /// Returns a defective token of an operator, who has the most rights, or none for a missing token.
    pub(super) fn token(&self, world: &World, kind: BadToken) -> Option<String> {
        let bearer = Bearer::Operator("ops");
        match kind {
            BadToken::None => None,
            BadToken::Expired => Some(world.stack.token_signer().expired_token(bearer)),
            BadToken::WrongKey => Some(self.token_signer.token(bearer, std::time::Duration::from_hours(1))),
            BadToken::Unsigned => {
                let good = world.operator();
                let claims = good.token().split('.').nth(1).unwrap().to_owned();
                // The header is {"alg":"none"}, and there is no signature.
                Some(format!("eyJhbGciOiJub25lIn0.{claims}."))
            }
        }
    }
}
