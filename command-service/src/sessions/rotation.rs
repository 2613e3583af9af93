//! The rules of refresh token rotation, without I/O.

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{Family, Former};

use super::refresh_token::Secret;

/// The time for which the token before the last one gets the same answer again: the first answer may have been lost, or
/// two windows of a browser may have refreshed concurrently.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// The result of a refresh.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The token is replaced: the session's next state, and the new secret.
    Replaced(Family, Secret),
    /// The token was replaced a moment ago, by this secret.
    Again(Secret),
    /// The token was replaced before. It or its successor may be stolen.
    Reused,
}

/// Judges the secret of a token of this session. A secret that is neither the last one nor the one before is an older
/// one: only a holder of a token knows the session.
pub(super) fn judge(family: &Family, secret: &Secret, salt: String, now: DateTime<Utc>) -> Verdict {
    let hash = secret.hash();
    if hash == family.hash {
        let successor = secret.successor(&salt);
        let former = Some(Former { hash, salt });
        let next = Family { hash: successor.hash(), former, used_at: now, ..family.clone() };
        return Verdict::Replaced(next, successor);
    }
    match &family.former {
        Some(former) if former.hash == hash && now - family.used_at <= GRACE => {
            Verdict::Again(secret.successor(&former.salt))
        }
        _ => Verdict::Reused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn begun() -> (Family, Secret) {
        let secret = Secret::random();
        let hash = secret.hash();
        let family = Family { hash, former: None, box_id: None, credential: None, created_at: at(0), used_at: at(0) };
        (family, secret)
    }

    fn rotated(family: &Family, secret: &Secret, second: i64) -> (Family, Secret) {
        match judge(family, secret, format!("salt-{second}"), at(second)) {
            Verdict::Replaced(family, secret) => (family, secret),
            verdict => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn each_token_is_replaced_once() {
        let (family, first) = begun();
        let (family, second) = rotated(&family, &first, 100);
        let (family, third) = rotated(&family, &second, 200);
        assert!(first != second && second != third && first != third);
        assert_eq!((family.created_at, family.used_at), (at(0), at(200)));
        rotated(&family, &third, 300);
    }

    #[test]
    fn the_token_before_the_last_gets_the_same_answer_again_for_ten_seconds() {
        let (family, first) = begun();
        let (family, second) = rotated(&family, &first, 100);
        assert_eq!(judge(&family, &first, "other".into(), at(110)), Verdict::Again(second.clone()));
        assert_eq!(judge(&family, &first, "other".into(), at(111)), Verdict::Reused);
        let (family, _) = rotated(&family, &second, 105);
        assert_eq!(judge(&family, &first, "other".into(), at(106)), Verdict::Reused, "two steps behind");
    }

    #[test]
    fn an_unknown_secret_counts_as_reuse() {
        let (family, _) = begun();
        assert_eq!(judge(&family, &Secret::random(), "salt".into(), at(1)), Verdict::Reused);
    }
}
