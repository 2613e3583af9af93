//! The rules of refresh token rotation, without I/O.

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{FormerToken, SessionRecord};

use super::refresh_token::Secret;

/// The time for which the token before the last one gets the same answer again: the first answer may have been lost, or
/// two windows of a browser may have refreshed concurrently.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// The result of a refresh.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The token is replaced: the session's next state, and the new secret.
    Replaced(SessionRecord, Secret),
    /// The token was replaced a moment ago, by this secret.
    Repeated(Secret),
    /// The token was replaced before. It or its successor may be stolen.
    Reused,
}

/// Judges the secret of a token of this session. A secret that is neither the last one nor the one before is an older
/// one: only a holder of a token knows the session.
pub(super) fn rotate(record: &SessionRecord, secret: &Secret, salt: String, now: DateTime<Utc>) -> Verdict {
    let hash = secret.hash();
    if hash == record.hash {
        let successor = secret.successor(&salt);
        let former = Some(FormerToken { hash, salt });
        let next = SessionRecord { hash: successor.hash(), former, used_at: now, ..record.clone() };
        return Verdict::Replaced(next, successor);
    }
    match &record.former {
        Some(former) if former.hash == hash && now - record.used_at <= GRACE => {
            Verdict::Repeated(secret.successor(&former.salt))
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

    fn new_session() -> (SessionRecord, Secret) {
        let secret = Secret::random();
        let hash = secret.hash();
        let record = SessionRecord {
            hash,
            former: None,
            box_id: None,
            credential: None,
            created_at: at(0),
            used_at: at(0),
            device: None,
            user_agent: None,
        };
        (record, secret)
    }

    fn rotated(record: &SessionRecord, secret: &Secret, second: i64) -> (SessionRecord, Secret) {
        match rotate(record, secret, format!("salt-{second}"), at(second)) {
            Verdict::Replaced(record, secret) => (record, secret),
            verdict => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn each_token_is_replaced_once() {
        let (record, first) = new_session();
        let (record, second) = rotated(&record, &first, 100);
        let (record, third) = rotated(&record, &second, 200);
        assert!(first != second && second != third && first != third);
        assert_eq!((record.created_at, record.used_at), (at(0), at(200)));
        rotated(&record, &third, 300);
    }

    #[test]
    fn the_token_before_the_last_gets_the_same_answer_again_for_ten_seconds() {
        let (record, first) = new_session();
        let (record, second) = rotated(&record, &first, 100);
        assert_eq!(rotate(&record, &first, "other".into(), at(110)), Verdict::Repeated(second.clone()));
        assert_eq!(rotate(&record, &first, "other".into(), at(111)), Verdict::Reused);
        let (record, _) = rotated(&record, &second, 105);
        assert_eq!(rotate(&record, &first, "other".into(), at(106)), Verdict::Reused, "two steps behind");
    }

    #[test]
    fn an_unknown_secret_counts_as_reuse() {
        let (record, _) = new_session();
        assert_eq!(rotate(&record, &Secret::random(), "salt".into(), at(1)), Verdict::Reused);
    }
}
