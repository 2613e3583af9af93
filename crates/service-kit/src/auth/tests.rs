//! Tests of valid and invalid tokens.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::header,
};
use chrono::{DateTime, TimeDelta, Utc};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding},
};
use wire::trust::{ALL_TOKENS_KEY, PublicKey, Revoked, session_key};

use super::{trust_store::TrustState, *};
use crate::clock::now;

fn signer(seed: u8) -> Signer {
    let key = SigningKey::from_bytes(&[seed; 32]);
    Signer::from_pem(&key.to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap()
}

fn published(signer: &Signer, verifies_until: Option<DateTime<Utc>>) -> TrustState {
    let key = PublicKey { x: signer.public().to_owned(), published_at: now(), verifies_until };
    TrustState { published: [(signer.id().to_owned(), key)].into(), ..TrustState::default() }
}

/// Returns a signer, and a verifier that trusts it.
pub(crate) fn pair() -> (Signer, Verifier) {
    let signer = signer(7);
    let verifier = verifier_with(published(&signer, None));
    (signer, verifier)
}

fn verifier_with(known: TrustState) -> Verifier {
    let verifier = Verifier::default();
    verifier.update(known);
    verifier
}

fn token(signer: &Signer, role: &Role, at: DateTime<Utc>, session: Option<&str>) -> String {
    let user_id = &"ana".parse().unwrap();
    signer.sign(Grant { user_id, role, session, authenticated_at: None, at, lifetime: TimeDelta::minutes(15) }).unwrap()
}

async fn refusal(verifier: &Verifier, token: &str) -> &'static str {
    verifier.check(token).await.unwrap_err().code()
}

#[tokio::test]
async fn a_signed_token_names_its_caller() {
    let signer = signer(7);
    let (verifier, at) = (verifier_with(published(&signer, None)), now());
    for role in [Role::User, Role::Operator, Role::Moderator, Role::Device("box-1".parse().unwrap())] {
        let caller = verifier.check(&token(&signer, &role, at, Some("s"))).await.unwrap();
        assert_eq!((caller.user_id.as_str(), &caller.role, caller.issued_at), ("ana", &role, at));
        assert_eq!(caller.session.as_deref(), Some("s"));
    }
}

#[tokio::test]
async fn a_token_tells_the_time_of_the_sign_in_and_not_that_of_a_refresh() {
    let signer = signer(7);
    let (verifier, at) = (verifier_with(published(&signer, None)), now());
    let (user_id, role, lifetime) = (&"ana".parse().unwrap(), &Role::User, TimeDelta::minutes(15));
    let caller = async |session, authenticated_at| {
        let token = signer.sign(Grant { user_id, role, session, authenticated_at, at, lifetime }).unwrap();
        verifier.check(&token).await.unwrap()
    };
    let age = TimeDelta::minutes(5);
    let refreshed = caller(Some("s"), Some(at - TimeDelta::minutes(6))).await;
    assert!(!refreshed.has_authenticated_within(age, at));
    assert!(caller(Some("s"), Some(at - TimeDelta::minutes(4))).await.has_authenticated_within(age, at));
    // Of an earlier release, which did not tell it.
    assert!(!caller(Some("s"), None).await.has_authenticated_within(age, at));
    let printed = caller(None, None).await;
    assert!(printed.has_authenticated_within(age, at) && !printed.has_authenticated_within(age, at + lifetime));
}

#[tokio::test]
async fn expired_forged_unsigned_and_nameless_tokens_are_refused() {
    let (signer, other) = (signer(7), signer(8));
    let verifier = verifier_with(published(&signer, None));
    verifier.record_read(std::time::Duration::from_mins(1));
    let old = token(&signer, &Role::User, now() - TimeDelta::hours(1), None);
    assert_eq!(refusal(&verifier, &old).await, "expired-token");

    let good = token(&signer, &Role::User, now(), None);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let body = head.split_once('.').unwrap().1;
    let flipped: String = signature.chars().rev().collect();
    let of_another = token(&other, &Role::User, now(), None);
    // The signature of the other key, with the id of this one.
    let claimed = format!("{}.{}", head.split_once('.').unwrap().0, of_another.split_once('.').unwrap().1);
    for bad in [
        format!("{head}.{flipped}"),
        // {"alg":"none"} in place of the header, no signature
        format!("eyJhbGciOiJub25lIn0.{body}."),
        // {"alg":"EdDSA"}, without the name of a key
        format!("eyJhbGciOiJFZERTQSJ9.{body}.{signature}"),
        of_another,
        claimed,
        String::new(),
        "x.y.z".to_owned(),
    ] {
        assert_eq!(refusal(&verifier, &bad).await, "invalid-token", "{bad}");
    }
}

#[tokio::test]
async fn a_token_of_another_algorithm_is_refused_even_with_the_name_of_a_known_key() {
    let signer = signer(7);
    let verifier = verifier_with(published(&signer, None));
    // The public key as the secret of an HMAC: a verifier that does not check the algorithm would accept the token.
    let secret = jsonwebtoken::EncodingKey::from_secret(signer.public().as_bytes());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some(signer.id().to_owned());
    let claims =
        serde_json::json!({ "iss": "boxroom", "sub": "ana", "role": "user", "iat": 0, "exp": 4_102_444_800_u64 });
    let forged = jsonwebtoken::encode(&header, &claims, &secret).unwrap();
    assert_eq!(refusal(&verifier, &forged).await, "invalid-token");
}

#[tokio::test]
async fn a_key_verifies_until_it_expires_regardless_of_the_signing_key() {
    let signer = signer(7);
    let good = token(&signer, &Role::User, now(), None);
    let verifier = verifier_with(published(&signer, Some(now() + TimeDelta::minutes(1))));
    assert!(verifier.check(&good).await.is_ok());
    verifier.update(published(&signer, Some(now() - TimeDelta::milliseconds(1))));
    verifier.add_own_key(signer.id(), signer.public(), now());
    verifier.record_read(std::time::Duration::from_mins(1));
    assert_eq!(refusal(&verifier, &good).await, "invalid-token");
    assert!(!verifier.has_keys() && verifier.jwks().keys.is_empty());
}

#[tokio::test]
async fn a_token_that_was_verified_before_is_refused_after_its_end_and_without_its_key() {
    let signer = signer(1);
    let verifier = verifier_with(published(&signer, None));
    // Tokens of 15 minutes.
    let begun = now() - TimeDelta::minutes(15) + TimeDelta::seconds(1);
    let [short, long] = [begun, now()].map(|at| token(&signer, &Role::User, at, None));
    for token in [&short, &long, &short, &long] {
        assert!(verifier.check(token).await.is_ok());
    }
    while verifier.check(&short).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(refusal(&verifier, &short).await, "expired-token");
    assert!(verifier.check(&long).await.is_ok());
    verifier.record_read(std::time::Duration::from_mins(1));
    verifier.update(published(&self::signer(2), None));
    assert_eq!(refusal(&verifier, &long).await, "invalid-token");
    verifier.update(published(&signer, Some(now() - TimeDelta::seconds(1))));
    assert_eq!(refusal(&verifier, &long).await, "invalid-token");
}

#[tokio::test]
async fn a_token_with_a_new_key_waits_until_the_key_is_known() {
    let signer = signer(7);
    let verifier = Verifier::default();
    let good = token(&signer, &Role::User, now(), None);
    let learning = verifier.clone();
    let look = async {
        learning.read_requested().await;
        learning.update(published(&signer, None));
        learning.record_read(std::time::Duration::from_mins(1));
    };
    let (caller, ()) = tokio::join!(verifier.check(&good), look);
    assert!(caller.is_ok());
}

#[tokio::test]
async fn revoked_sessions_and_all_earlier_tokens_of_a_revoked_user_are_refused() {
    let signer = signer(7);
    let at = now();
    let (mine, printed) = (token(&signer, &Role::User, at, Some("s")), token(&signer, &Role::User, at, None));
    let later = token(&signer, &Role::User, at + TimeDelta::milliseconds(1), Some("t"));
    let operators = token(&signer, &Role::Operator, at, None);
    let until = at + TimeDelta::minutes(20);
    let revoking = |key: String, before| {
        let known = TrustState { revoked: [(key, Revoked { before, until })].into(), ..published(&signer, None) };
        verifier_with(known)
    };
    let verifier = revoking(session_key("s"), until);
    assert_eq!(refusal(&verifier, &mine).await, "revoked-token");
    assert!(verifier.check(&printed).await.is_ok() && verifier.check(&later).await.is_ok());

    let verifier = revoking("user.ana".to_owned(), at + TimeDelta::milliseconds(1));
    for token in [&mine, &printed] {
        assert_eq!(refusal(&verifier, token).await, "revoked-token");
    }
    assert!(verifier.check(&later).await.is_ok(), "signed in again in the same second");
    assert!(verifier.check(&operators).await.is_ok(), "another role is another principal");

    let verifier = revoking(ALL_TOKENS_KEY.to_owned(), at + TimeDelta::milliseconds(1));
    for token in [&mine, &printed, &operators] {
        assert_eq!(refusal(&verifier, token).await, "revoked-token");
    }
    assert!(verifier.check(&later).await.is_ok(), "signed in after the log was restored");
}

#[test]
fn the_id_of_a_key_is_its_thumbprint() {
    // RFC 8037, appendix A.3
    let jwk = trust_store::jwk_of("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    assert_eq!(jwk.common.key_id.unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[tokio::test]
async fn a_request_with_two_tokens_is_refused() {
    #[derive(Clone)]
    struct State(Verifier);
    impl FromRef<State> for Verifier {
        fn from_ref(State(verifier): &State) -> Self {
            verifier.clone()
        }
    }
    let (signer, verifier) = pair();
    let bearer = format!("Bearer {}", token(&signer, &Role::User, now(), None));
    for (values, code) in [
        (&[bearer.as_str()][..], None),
        (&[bearer.as_str(), bearer.as_str()], Some("invalid-token")),
        (&[bearer.as_str(), "Basic eDp5"], Some("invalid-token")),
        (&["Basic eDp5", bearer.as_str()], Some("invalid-token")),
        (&[], Some("missing-token")),
    ] {
        let mut request = axum::http::Request::builder();
        for value in values {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let caller = Caller::from_request_parts(&mut parts, &State(verifier.clone())).await;
        assert_eq!(caller.err().map(|problem| problem.code()), code, "{values:?}");
    }
}
