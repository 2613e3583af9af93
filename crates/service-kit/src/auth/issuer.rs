//! An external issuer: the rules for its tokens, and the mapping of its users.

use std::{path::PathBuf, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use clap::Args;
use domain::UserId;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::{
    caller::{Caller, Role, invalid_token},
    claims::time_of,
};
use crate::problem::Problem;

/// The accepted difference to the issuer's clock, in seconds.
const LEEWAY: u64 = 30;

/// The maximum length of the issuer's session id.
const MAX_SESSION: usize = 128;

/// The settings of an external issuer of access tokens (`OpenID` Connect), in place of the built-in accounts.
#[derive(Debug, Clone, Args)]
pub struct IssuerArgs {
    /// Issuer of accepted tokens (`iss`); turns built-in accounts, passwords and sessions off
    #[arg(long, env = "BOXROOM_ISSUER", requires_all = ["issuer_audience", "issuer_keys"], value_name = "ISSUER")]
    pub issuer: Option<String>,

    /// Required audience of tokens (`aud`)
    #[arg(long, env = "BOXROOM_ISSUER_AUDIENCE", requires = "issuer", value_name = "AUDIENCE")]
    pub issuer_audience: Option<String>,

    /// Public keys of the issuer, a JWK set: a file, or an address like `https://login.example/jwks.json`
    #[arg(long, env = "BOXROOM_ISSUER_KEYS", requires = "issuer", value_name = "FILE_OR_URL")]
    pub issuer_keys: Option<KeySource>,

    /// Allowed signature algorithms of tokens, separated by commas: `EdDSA`, ES256 and RS256
    #[arg(
        long,
        env = "BOXROOM_ISSUER_ALGORITHMS",
        default_value = "EdDSA,ES256,RS256",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub issuer_algorithms: Vec<AllowedAlgorithm>,

    /// Claim with the user's id, which must match the pattern of user ids
    #[arg(long, env = "BOXROOM_ISSUER_USER_CLAIM", default_value = "sub", value_name = "CLAIM")]
    pub issuer_user_claim: String,

    /// Claim with `operator`, `moderator` or `device` (with the claim `box`), alone or in a list; all other callers are
    /// users
    #[arg(long, env = "BOXROOM_ISSUER_ROLE_CLAIM", default_value = "role", value_name = "CLAIM")]
    pub issuer_role_claim: String,
}

/// The location of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file.
    File(PathBuf),
    /// An address.
    Address(Url),
}

impl FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_address = text.starts_with("https://") || text.starts_with("http://");
        let Some(url) = is_address.then(|| Url::parse(text)) else { return Ok(Self::File(text.into())) };
        let url = url.map_err(|error| error.to_string())?;
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        if url.scheme() == "https" || is_loopback {
            Ok(Self::Address(url))
        } else {
            Err(format!("{url}: keys sent over http can be replaced on the way; use https"))
        }
    }
}

/// A signature algorithm of tokens. All are asymmetric, so that verifiers know no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AllowedAlgorithm {
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256
    #[value(name = "ES256")]
    Es256,
    /// RSA with SHA-256
    #[value(name = "RS256")]
    Rs256,
}

impl AllowedAlgorithm {
    fn is(self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm),
            (Self::EdDsa, Algorithm::EdDSA) | (Self::Es256, Algorithm::ES256) | (Self::Rs256, Algorithm::RS256)
        )
    }
}

/// The rules for tokens of an external issuer, and the meaning of their claims.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    name: String,
    audience: String,
    keys: KeySource,
    algorithms: Vec<AllowedAlgorithm>,
    user_claim: String,
    role_claim: String,
}

impl Issuer {
    /// Reads the issuer from the settings. None if there is none.
    pub(super) fn of(args: &IssuerArgs) -> Option<Self> {
        Some(Self {
            name: args.issuer.clone()?,
            audience: args.issuer_audience.clone()?,
            keys: args.issuer_keys.clone()?,
            algorithms: args.issuer_algorithms.clone(),
            user_claim: args.issuer_user_claim.clone(),
            role_claim: args.issuer_role_claim.clone(),
        })
    }

    /// The location of its keys.
    pub(super) fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// Returns the rules for tokens signed with a key of this algorithm.
    pub(super) fn rules(&self, algorithm: Algorithm) -> Validation {
        let mut rules = Validation::new(algorithm);
        if !self.algorithms.iter().any(|allowed| allowed.is(algorithm)) {
            rules.algorithms.clear();
        }
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        rules.set_issuer(&[&self.name]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules
    }

    /// Returns the caller of these claims.
    pub(super) fn caller(&self, claims: &Map<String, Value>) -> Result<Caller, Problem> {
        let user_id = claims.get(&self.user_claim).and_then(Value::as_str).and_then(|user| user.parse().ok());
        let user_id = user_id.filter(|user_id: &UserId| !user_id.is_reserved());
        let no_user = || invalid_token().detail(format!("the claim `{}` is not a user id", self.user_claim));
        let time = |name: &str| claims.get(name).and_then(Value::as_f64).and_then(time_of);
        let session = claims.get("sid").and_then(Value::as_str).filter(|sid| sid.len() <= MAX_SESSION);
        Ok(Caller {
            // Many issuers tell the time of the sign-in only on request.
            authenticated_at: time("auth_time").or_else(|| time("iat")),
            user_id: user_id.ok_or_else(no_user)?,
            role: self.role(claims)?,
            // Without `iat`, any revocation of the principal applies.
            issued_at: time("iat").unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
            expires_at: time("exp").ok_or_else(invalid_token)?,
            // Encoded, because the session id becomes part of a key in a bucket.
            session: session.map(|sid| BASE64_URL_SAFE_NO_PAD.encode(sid)),
        })
    }

    fn role(&self, claims: &Map<String, Value>) -> Result<Role, Problem> {
        let roles = match claims.get(&self.role_claim) {
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(role)) => vec![role.as_str()],
            _ => vec![],
        };
        if roles.contains(&"operator") {
            return Ok(Role::Operator);
        }
        if roles.contains(&"moderator") {
            return Ok(Role::Moderator);
        }
        if roles.contains(&"device") {
            let box_id = claims.get("box").and_then(Value::as_str).and_then(|id| id.parse().ok());
            return Ok(Role::Device(box_id.ok_or_else(|| invalid_token().detail("the claim `box` is not a box id"))?));
        }
        Ok(Role::User)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer() -> Issuer {
        Issuer {
            name: "https://login.example".to_owned(),
            audience: "boxroom".to_owned(),
            keys: KeySource::File("keys.json".into()),
            algorithms: vec![AllowedAlgorithm::Es256],
            user_claim: "preferred_username".to_owned(),
            role_claim: "roles".to_owned(),
        }
    }

    fn caller(claims: Value) -> Result<Caller, Problem> {
        let Value::Object(mut claims) = claims else { panic!() };
        claims.insert("exp".to_owned(), json!(4_102_444_800.5));
        issuer().caller(&claims)
    }

    #[test]
    fn claims_determine_the_user_id_and_the_role() {
        let ana = caller(json!({ "preferred_username": "ana", "sid": "a b*", "iat": 7 })).unwrap();
        assert_eq!((ana.user_id.as_str(), &ana.role), ("ana", &Role::User));
        assert_eq!((ana.session.as_deref(), ana.issued_at.timestamp()), (Some("YSBiKg"), 7));
        assert_eq!(ana.authenticated_at, Some(ana.issued_at));
        let again = caller(json!({ "preferred_username": "ana", "auth_time": 5, "iat": 7 })).unwrap();
        assert_eq!(again.authenticated_at.unwrap().timestamp(), 5);
        assert_eq!(caller(json!({ "preferred_username": "ana" })).unwrap().authenticated_at, None);
        for (claims, role) in [
            (json!({ "roles": "operator" }), Role::Operator),
            (json!({ "roles": ["moderator", "operator"] }), Role::Operator),
            (json!({ "roles": "moderator" }), Role::Moderator),
            (json!({ "roles": ["device", "moderator"] }), Role::Moderator),
            (json!({ "roles": ["device"], "box": "b-1" }), Role::Device("b-1".parse().unwrap())),
            (json!({ "roles": ["Operator", 7] }), Role::User),
            (json!({ "role": "operator" }), Role::User),
        ] {
            let mut claims = claims;
            claims["preferred_username"] = "ana".into();
            assert_eq!(caller(claims).unwrap().role, role);
        }
    }

    #[test]
    fn a_token_without_a_valid_user_id_is_refused() {
        for claims in [
            json!({ "sub": "ana" }),
            json!({ "preferred_username": "Ana Lytica" }),
            json!({ "preferred_username": 7 }),
            json!({ "preferred_username": "system" }),
            json!({ "preferred_username": "box", "roles": "device" }),
        ] {
            assert_eq!(caller(claims.clone()).unwrap_err().code(), "invalid-token", "{claims}");
        }
    }

    #[test]
    fn keys_come_from_a_file_or_over_https_or_loopback() {
        assert_eq!("keys.json".parse(), Ok(KeySource::File("keys.json".into())));
        for good in ["https://login.example/jwks.json", "http://127.0.0.1:8000/jwks", "http://[::1]/jwks"] {
            assert!(matches!(good.parse(), Ok(KeySource::Address(_))), "{good}");
        }
        for bad in ["http://login.example/jwks.json", "http://127.0.0.1.example/", "https://"] {
            assert!(bad.parse::<KeySource>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_disallowed_algorithm_verifies_no_token() {
        assert_eq!(issuer().rules(Algorithm::ES256).algorithms, [Algorithm::ES256]);
        assert!(issuer().rules(Algorithm::RS256).algorithms.is_empty());
    }
}
