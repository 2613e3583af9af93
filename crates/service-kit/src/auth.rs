//! Who calls: access tokens (JWT, Ed25519), signed by the command-service and verified by everybody.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{StatusCode, header, request::Parts},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{BoxId, UserId};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

const ISSUER: &str = "boxroom";
const KEY_ID: &str = "1";

/// A key or a token that cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[error("not a usable Ed25519 key in PEM form")]
pub struct KeyError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl KeyError {
    fn of(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Orders and chats.
    User,
    /// Looks after boxes and stores.
    Operator,
    /// Is this box.
    Device(BoxId),
}

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Who.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// Until when the token speaks for them.
    pub expires_at: DateTime<Utc>,
}

impl Caller {
    /// Refuses everybody but operators.
    pub fn require_operator(&self) -> Result<(), Problem> {
        if self.role == Role::Operator { Ok(()) } else { Err(forbidden("only operators may do this")) }
    }

    /// Refuses everybody but users: operators and devices have no nickname and order nothing.
    pub fn require_user(&self) -> Result<(), Problem> {
        if self.role == Role::User { Ok(()) } else { Err(forbidden("only users may do this")) }
    }

    /// Refuses boxes, which only report.
    pub fn require_person(&self) -> Result<(), Problem> {
        match self.role {
            Role::User | Role::Operator => Ok(()),
            Role::Device(_) => Err(forbidden("boxes may not do this")),
        }
    }

    /// Refuses everybody but this box itself.
    pub fn require_device_of(&self, box_id: &BoxId) -> Result<(), Problem> {
        match &self.role {
            Role::Device(own) if own == box_id => Ok(()),
            Role::Device(_) | Role::User | Role::Operator => Err(forbidden("only the box itself may do this")),
        }
    }
}

/// What was found out of a request's token before its handler asks.
#[derive(Clone)]
pub(crate) struct Authenticated(pub(crate) Result<Caller, Problem>);

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this").detail(detail)
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    role: String,
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    box_id: Option<BoxId>,
    iat: i64,
    exp: i64,
}

/// Signs access tokens.
#[derive(Clone)]
pub struct Signer {
    key: Arc<EncodingKey>,
    verifier: Verifier,
}

impl Signer {
    /// From an Ed25519 private key (PKCS#8 PEM).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = EncodingKey::from_ed_pem(pem).map_err(KeyError::of)?;
        let text = std::str::from_utf8(pem).map_err(KeyError::of)?;
        let public = SigningKey::from_pkcs8_pem(text).map_err(KeyError::of)?.verifying_key();
        let public = public.to_public_key_pem(LineEnding::LF).map_err(KeyError::of)?;
        Ok(Self { key: Arc::new(key), verifier: Verifier::from_pem(public.as_bytes())? })
    }

    /// Verifies what this one signs.
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// A token that speaks for this user from now on for `lifetime`.
    pub fn sign(
        &self,
        user_id: &UserId,
        role: &Role,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Result<String, KeyError> {
        let (role, box_id) = match role {
            Role::User => ("user", None),
            Role::Operator => ("operator", None),
            Role::Device(box_id) => ("device", Some(box_id.clone())),
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user_id.to_string(),
            role: role.to_owned(),
            box_id,
            iat: now.timestamp(),
            exp: (now + lifetime).timestamp(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(KeyError::of)
    }
}

/// Verifies access tokens.
#[derive(Clone)]
pub struct Verifier {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
}

impl Verifier {
    /// From an Ed25519 public key (SPKI PEM).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_aud = false;
        let key = DecodingKey::from_ed_pem(pem).map_err(KeyError::of)?;
        Ok(Self { key: Arc::new(key), validation: Arc::new(validation) })
    }

    /// The caller for whom this token speaks.
    pub fn verify(&self, token: &str) -> Result<Caller, Problem> {
        let claims = match jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation) {
            Ok(token) => token.claims,
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                return Err(unauthorized("expired-token", "The access token has expired"));
            }
            Err(_) => return Err(invalid_token()),
        };
        let role = match (claims.role.as_str(), claims.box_id) {
            ("user", None) => Role::User,
            ("operator", None) => Role::Operator,
            ("device", Some(box_id)) => Role::Device(box_id),
            _ => return Err(invalid_token()),
        };
        let user_id = claims.sub.parse().map_err(|_| invalid_token())?;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or_else(invalid_token)?;
        Ok(Caller { user_id, role, expires_at })
    }
}

fn unauthorized(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title)
}

fn invalid_token() -> Problem {
    unauthorized("invalid-token", "The access token is not valid")
}

impl<S> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(Authenticated(caller)) = parts.extensions.get() {
            return caller.clone();
        }
        let missing = || unauthorized("missing-token", "This request needs an access token");
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
        let header = header.to_str().map_err(|_| invalid_token())?;
        let (scheme, token) = header.split_once(' ').ok_or_else(invalid_token)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid_token());
        }
        Verifier::from_ref(state).verify(token.trim())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ed25519_dalek::pkcs8::EncodePrivateKey;

    use super::*;
    use crate::clock::now;

    pub(crate) fn pair() -> (Signer, Verifier) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let private = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        (Signer::from_pem(private.as_bytes()).unwrap(), Verifier::from_pem(public.as_bytes()).unwrap())
    }

    #[test]
    fn a_signed_token_names_its_caller() {
        let (signer, verifier) = pair();
        for role in [Role::User, Role::Operator, Role::Device("box-1".parse().unwrap())] {
            let token = signer.sign(&"ana".parse().unwrap(), &role, now(), TimeDelta::minutes(15)).unwrap();
            let caller = verifier.verify(&token).unwrap();
            assert_eq!((caller.user_id.as_str(), &caller.role), ("ana", &role));
            assert_eq!(signer.verifier().verify(&token).unwrap().role, role);
        }
    }

    #[test]
    fn expired_forged_and_unsigned_tokens_are_refused() {
        let (signer, verifier) = pair();
        let ana = "ana".parse().unwrap();
        let old = signer.sign(&ana, &Role::User, now() - TimeDelta::hours(1), TimeDelta::minutes(15)).unwrap();
        assert_eq!(verifier.verify(&old).unwrap_err().code(), "expired-token");

        let good = signer.sign(&ana, &Role::User, now(), TimeDelta::minutes(15)).unwrap();
        let (head, signature) = good.rsplit_once('.').unwrap();
        let flipped: String = signature.chars().rev().collect();
        // {"alg":"none"} in place of the header, no signature
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
        for bad in [format!("{head}.{flipped}"), unsigned, String::new(), "x.y.z".to_owned()] {
            assert_eq!(verifier.verify(&bad).unwrap_err().code(), "invalid-token");
        }
    }
}
