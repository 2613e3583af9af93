//! Access tokens for tests and for trying things out, signed with the stack's own key.

use std::{path::Path, time::Duration};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use service_kit::{
    auth::{Grant, Role, Signer},
    clock,
};
use wire::trust::PublicKey;

/// The bearer that a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// A user.
    User(&'a str),
    /// An operator of the installation.
    Operator(&'a str),
    /// A moderator.
    Moderator(&'a str),
    /// A delivery box, by its id.
    Device(&'a str),
}

/// Signs tokens.
#[derive(Clone)]
pub struct TokenSigner {
    signer: Signer,
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenSigner").finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// Reads the newest of the keys in this folder.
    pub fn read(signing_keys: &Path) -> anyhow::Result<Self> {
        let context = || format!("cannot read {}", signing_keys.display());
        let files = std::fs::read_dir(signing_keys).with_context(context)?;
        let files: Vec<_> = files.map(|file| file.map(|file| file.path())).collect::<Result<_, _>>()?;
        let newest =
            files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "pem")).max();
        let newest = newest.with_context(|| format!("{} holds no key", signing_keys.display()))?;
        let pem = std::fs::read_to_string(&newest).with_context(context)?;
        Ok(Self { signer: Signer::from_pem(&pem).with_context(|| format!("{} is no key", newest.display()))? })
    }

    /// Signs a token that is valid from now on for `lifetime`.
    pub fn token(&self, bearer: Bearer<'_>, lifetime: Duration) -> String {
        let lifetime = TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::days(365));
        self.token_since(bearer, clock::now(), lifetime)
    }

    /// Signs a token that has expired.
    pub fn expired_token(&self, bearer: Bearer<'_>) -> String {
        self.token_since(bearer, clock::now() - TimeDelta::hours(2), TimeDelta::hours(1))
    }

    /// Returns the trust cache of a service that knows this key.
    pub fn trust_cache(&self) -> String {
        let key = PublicKey { x: self.signer.public().to_owned(), published_at: clock::now(), verifies_until: None };
        serde_json::json!({ "published": { self.signer.id(): key } }).to_string()
    }

    /// Returns a token of a user's session that began this long ago, issued now.
    ///
    /// # Panics
    ///
    /// If `user` is no id.
    pub fn session_token(&self, user: &str, session: &str, age: TimeDelta) -> String {
        let user_id = &user.parse().unwrap_or_else(|_| panic!("{user:?} is no id"));
        let (at, lifetime) = (clock::now(), TimeDelta::minutes(15));
        let (session, authenticated_at) = (Some(session), Some(at - age));
        let grant = Grant { user_id, role: &Role::User, session, authenticated_at, at, lifetime };
        self.signer.sign(grant).expect("an Ed25519 key signs everything")
    }

    /// Returns a token without a session, issued at this time.
    ///
    /// # Panics
    ///
    /// If the bearer has no valid id.
    pub fn token_since(&self, bearer: Bearer<'_>, at: DateTime<Utc>, lifetime: TimeDelta) -> String {
        let id = |id: &str| id.parse().unwrap_or_else(|_| panic!("{id:?} is no id"));
        let (user_id, role) = match bearer {
            Bearer::User(user) => (id(user), Role::User),
            Bearer::Operator(operator) => (id(operator), Role::Operator),
            Bearer::Moderator(moderator) => (id(moderator), Role::Moderator),
            Bearer::Device(of) => (id(of), Role::Device(of.parse().unwrap_or_else(|_| panic!("{of:?} is no id")))),
        };
        let grant = Grant { user_id: &user_id, role: &role, session: None, authenticated_at: None, at, lifetime };
        self.signer.sign(grant).expect("an Ed25519 key signs everything")
    }
}
