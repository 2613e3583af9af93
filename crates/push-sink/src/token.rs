//! The endpoint that issues access tokens for a signed request (RFC 7523).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension, Form, Json,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};

use crate::{
    credentials::CLIENT_EMAIL,
    jwt,
    records::Service,
    state::{Call, Connection, Rejection, State},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The longest lifetime of a request, in seconds.
const MAX_LIFETIME: u64 = 3600;

/// The maximum number of valid tokens. The oldest ones are dropped.
const MAX_TOKENS: usize = 1000;

/// The issued access tokens.
#[derive(Default)]
pub(crate) struct Issued(Mutex<VecDeque<(String, Instant)>>);

impl Issued {
    fn issue(&self, lifetime: Duration) -> String {
        let token = format!("sink.{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()));
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() == MAX_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back((token.clone(), Instant::now() + lifetime));
        token
    }

    /// Returns true for a token that has not expired.
    pub(crate) fn is_valid(&self, token: &str) -> bool {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().any(|(issued, expires_at)| issued == token && Instant::now() < *expires_at)
    }
}

/// Issues a token.
pub(crate) async fn issue(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let checked = check(&state, &form);
    let call = Call { service: Service::Token, target: CLIENT_EMAIL.to_owned(), headers: &headers, body: Value::Null };
    let outcome = state.decide(&connection, call, checked, usual_reason).await;
    let response = match &outcome.result {
        Ok(()) => {
            let lifetime = state.token_lifetime;
            let token = state.issued.issue(lifetime);
            let granted = json!({"access_token": token, "expires_in": lifetime.as_secs(), "token_type": "Bearer"});
            Json(granted).into_response()
        }
        Err(Rejection { status, reason }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
            // Google explains the error after the code, in words.
            let (error, description) = reason.split_once(": ").unwrap_or((reason, ""));
            (status, Json(json!({"error": error, "error_description": description}))).into_response()
        }
    };
    outcome.finish(response)
}

fn usual_reason(status: u16) -> &'static str {
    match status {
        401 => "invalid_client",
        403 => "access_denied",
        429 => "rate_limit_exceeded",
        500.. => "internal_failure",
        _ => "invalid_grant",
    }
}

fn check(state: &State, form: &HashMap<String, String>) -> Result<(), Rejection> {
    let field = |name| form.get(name).map(String::as_str).unwrap_or_default();
    if field("grant_type") != GRANT {
        return Err(Rejection::new(400, "unsupported_grant_type"));
    }
    let invalid = |description: &str| Rejection::new(400, format!("invalid_grant: {description}"));
    let key = state.credentials.fcm().and_then(|key| DecodingKey::from_rsa_pem(key.public.as_bytes()).ok());
    let key = key.ok_or_else(|| invalid("account not found"))?;
    let claims = jwt::claims(field("assertion"), Algorithm::RS256, &key);
    let claims = claims.ok_or_else(|| invalid("Invalid JWT Signature."))?;
    if claims["iss"] != CLIENT_EMAIL {
        return Err(invalid("account not found"));
    }
    if claims["aud"].as_str() != Some(&state.token_uri()) {
        return Err(invalid("Invalid JWT: Failed audience check"));
    }
    if claims["scope"] != SCOPE {
        return Err(Rejection::new(400, "invalid_scope"));
    }
    let (issued, expires) = (jwt::time(&claims, "iat"), jwt::time(&claims, "exp"));
    let (Some(issued), Some(expires)) = (issued, expires) else { return Err(invalid("Invalid JWT: no times")) };
    let now = jwt::now();
    let fits = issued <= now + jwt::LEEWAY && now < expires + jwt::LEEWAY && expires <= issued + MAX_LIFETIME;
    if fits { Ok(()) } else { Err(invalid("Invalid JWT: Token must be a short-lived token (60 minutes)")) }
}
