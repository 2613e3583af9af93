//! The subjects of the log. They are written and parsed here only.

use domain::{BoxId, Lane, ReportId, RoomId, StoreId, UserId};
use sha2::{Digest, Sha256};

use crate::stream::{StreamName, partition_of};

/// The source of a stored message, parsed from its subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A box, the life cycle of its rooms, and membership.
    Room {
        /// The box.
        box_id: BoxId,
    },
    /// The conversation on a box.
    Talk {
        /// The box.
        box_id: BoxId,
    },
    /// A user.
    User {
        /// The user.
        user_id: UserId,
    },
    /// A claim on a nickname, or of a user on a slot for an open room.
    Claim,
    /// A store.
    Store {
        /// The store.
        store_id: StoreId,
    },
    /// The filters of the installation.
    Filters,
    /// A report.
    Report {
        /// The report.
        report_id: ReportId,
    },
    /// The read marker of a user in a room.
    Mark {
        /// The room.
        room_id: RoomId,
        /// The reader.
        user_id: UserId,
    },
}

impl Source {
    /// Parses a subject. None if it is not a subject of a source.
    pub fn parse(subject: &str) -> Option<Self> {
        let (kind, rest) = subject.split_once('.')?;
        match (kind, rest.split_once('.')) {
            ("box", Some((_, rest))) => match rest.split_once('.')? {
                (box_id, "room") => Some(Self::Room { box_id: box_id.parse().ok()? }),
                (box_id, "talk") => Some(Self::Talk { box_id: box_id.parse().ok()? }),
                _ => None,
            },
            ("mark", Some((_, rest))) => {
                let (room_id, user_id) = rest.rsplit_once('.')?;
                Some(Self::Mark { room_id: room_id.parse().ok()?, user_id: user_id.parse().ok()? })
            }
            ("claim", Some(("nickname", name))) if !name.contains('.') => Some(Self::Claim),
            ("user", None) => Some(Self::User { user_id: rest.parse().ok()? }),
            ("store", None) if rest == FILTERS => Some(Self::Filters),
            ("store", None) if rest.starts_with(REPORT) => {
                Some(Self::Report { report_id: rest.strip_prefix(REPORT)?.parse().ok()? })
            }
            ("store", None) => Some(Self::Store { store_id: rest.parse().ok()? }),
            _ => None,
        }
    }
}

impl Source {
    /// Returns the subject in a log with this many partitions. None for a claim: that on a nickname hides the name.
    pub fn subject(&self, partitions: u16) -> Option<String> {
        Some(match self {
            Self::Room { box_id } => lane(box_id, Lane::Room, partitions),
            Self::Talk { box_id } => lane(box_id, Lane::Talk, partitions),
            Self::User { user_id } => user(user_id),
            Self::Store { store_id } => store(store_id),
            Self::Filters => filters(),
            Self::Report { report_id } => report(report_id),
            Self::Mark { room_id, user_id } => mark(room_id, user_id, partitions),
            Self::Claim => return None,
        })
    }

    /// The stream that holds it.
    pub fn stream(&self, partitions: u16) -> StreamName {
        match self {
            Self::Room { box_id } | Self::Talk { box_id } => StreamName::Box(partition_of(box_id, partitions)),
            Self::User { .. } | Self::Claim => StreamName::User,
            Self::Store { .. } | Self::Filters | Self::Report { .. } => StreamName::Store,
            Self::Mark { .. } => StreamName::Mark,
        }
    }
}

/// The subject of a lane of a box.
pub fn lane(box_id: &BoxId, lane: Lane, partitions: u16) -> String {
    let lane = match lane {
        Lane::Room => "room",
        Lane::Talk => "talk",
    };
    format!("box.{}.{box_id}.{lane}", partition_of(box_id, partitions))
}

/// Returns true if two subjects belong to one aggregate: they are the same, or lanes of one box.
pub fn of_same_aggregate(one: &str, other: &str) -> bool {
    let box_of = |subject| match Source::parse(subject) {
        Some(Source::Room { box_id } | Source::Talk { box_id }) => Some(box_id),
        _ => None,
    };
    one == other || box_of(one).is_some_and(|box_id| Some(box_id) == box_of(other))
}

/// The subject of a user.
pub fn user(user_id: &UserId) -> String {
    format!("user.{user_id}")
}

/// Returns the subject of the first version of a claim: names that differ only in case are one. Nicknames are hashed,
/// because a subject token may not hold every character.
pub fn nickname_claim_v1(nickname: &str) -> String {
    format!("claim.nickname.{}", name_hash(&nickname.trim().to_lowercase()))
}

/// Returns the subject of the second version of a claim: names that look alike are one. It has as many tokens as that
/// of the first version, so that earlier releases can read a log with both.
pub fn nickname_claim_v2(nickname: &str) -> String {
    format!("{CLAIMS_V2}{}", name_hash(&text::nickname::skeleton_v2(nickname)))
}

/// Returns true if this is a subject of [`nickname_claim_v2`].
pub fn is_nickname_claim_v2(subject: &str) -> bool {
    subject.starts_with(CLAIMS_V2) && subject != NICKNAMES_CLAIMED
}

const CLAIMS_V2: &str = "claim.nickname.v2-";

/// The subject that records up to which sequence all users have their claims of the second version.
pub const NICKNAMES_CLAIMED: &str = "claim.nickname.v2-claimed";

/// Returns the subject of a user's claim on a slot for an open room. It has as many tokens as that of a nickname, so
/// that earlier releases can read a log with both.
pub fn opener_claim(user_id: &UserId, slot: u16) -> String {
    format!("claim.nickname.opener-{user_id}-{slot}")
}

fn name_hash(name: &str) -> String {
    hex(Sha256::digest(name.as_bytes()).get(..16).unwrap_or_default())
}

/// The subject of a store.
pub fn store(store_id: &StoreId) -> String {
    format!("store.{store_id}")
}

/// The token of the filters, and the beginning of those of reports. No store id contains `=`. They share the subjects
/// of stores, because a stream cannot be added to a complete log.
const FILTERS: &str = "=filters";
const REPORT: &str = "=report-";

/// The subject of the filters.
pub fn filters() -> String {
    format!("store.{FILTERS}")
}

/// The subject of a report.
pub fn report(report_id: &ReportId) -> String {
    format!("store.{REPORT}{report_id}")
}

/// The subject of the read marker of a user in a room.
pub fn mark(room_id: &RoomId, user_id: &UserId, partitions: u16) -> String {
    format!("mark.{}.{room_id}.{user_id}", partition_of(room_id.box_id(), partitions))
}

/// The subject of the deadline of a box, as it is set.
pub fn timer_due(box_id: &BoxId, partitions: u16) -> String {
    format!("timer.{}.{box_id}.due", partition_of(box_id, partitions))
}

/// The subject on which the deadline of a box fires.
pub fn timer_fire(box_id: &BoxId, partitions: u16) -> String {
    format!("timer.{}.{box_id}.fire", partition_of(box_id, partitions))
}

/// The subjects on which the server republishes the messages of a stream.
pub fn stored(stream_on_server: &str) -> String {
    format!("stored.{stream_on_server}.>")
}

/// The patterns of the subjects to which command-services append.
pub const ALL_APPENDED: [&str; 7] =
    ["box.*.*.room", "box.*.*.talk", "user.*", "claim.nickname.*", "store.*", "mark.*.*.*.*", "timer.*.*.due"];

/// The pattern of every [`timer_fire`].
pub const ALL_FIRED: &str = "timer.*.*.fire";

/// The pattern of every [`stored`].
pub const ALL_STORED: &str = "stored.>";

/// Returns the patterns of the subjects that a stream holds. Stored; never change.
pub fn of_stream(stream: StreamName) -> Vec<String> {
    match stream {
        StreamName::Box(partition) => vec![format!("box.{partition}.*.room"), format!("box.{partition}.*.talk")],
        StreamName::User => vec!["user.*".to_owned(), "claim.nickname.*".to_owned()],
        StreamName::Store => vec!["store.*".to_owned()],
        StreamName::Mark => vec!["mark.*.*.*.*".to_owned()],
        StreamName::Timer => vec!["timer.*.*.due".to_owned(), ALL_FIRED.to_owned()],
    }
}

/// Returns bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_finds_its_source() {
        let box_id: BoxId = "b1".parse().unwrap();
        let room_id = RoomId::new(box_id.clone(), 3);
        let user_id: UserId = "ann".parse().unwrap();
        let store_id: StoreId = "s1".parse().unwrap();
        let report_id: ReportId = "0f1e-1".parse().unwrap();
        let cases = [
            (lane(&box_id, Lane::Room, 4), Source::Room { box_id: box_id.clone() }),
            (lane(&box_id, Lane::Talk, 4), Source::Talk { box_id }),
            (user(&user_id), Source::User { user_id: user_id.clone() }),
            (nickname_claim_v1("Änn.>"), Source::Claim),
            (nickname_claim_v2("Änn.>"), Source::Claim),
            (NICKNAMES_CLAIMED.to_owned(), Source::Claim),
            (opener_claim(&user_id, 0), Source::Claim),
            (store(&store_id), Source::Store { store_id }),
            (filters(), Source::Filters),
            (report(&report_id), Source::Report { report_id }),
            (mark(&room_id, &user_id, 4), Source::Mark { room_id, user_id }),
        ];
        for (subject, source) in cases {
            assert_eq!(Source::parse(&subject).as_ref(), Some(&source), "{subject}");
            let again = source.subject(4);
            assert!(again.as_ref() == Some(&subject) || source == Source::Claim, "{again:?}");
        }
        for bad in ["", "box", "box.0.b1", "box.0.B1.room", "user.", "user.a.b", "mark.0.b1.x.ann", "timer.0.b1.due"] {
            assert_eq!(Source::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_nickname_is_claimed_whatever_its_case() {
        assert_eq!(nickname_claim_v1(" Ann "), nickname_claim_v1("aNN"));
        assert_ne!(nickname_claim_v1("ann"), nickname_claim_v1("anne"));
    }

    #[test]
    fn a_nickname_is_claimed_for_all_that_look_like_it() {
        assert_eq!(nickname_claim_v2("Bob"), nickname_claim_v2("Bоb\u{200B}"));
        assert_ne!(nickname_claim_v1("Bob"), nickname_claim_v1("Bоb\u{200B}"));
        assert_ne!(nickname_claim_v2("김밥"), nickname_claim_v2("김박"));
    }

    #[test]
    fn the_subjects_of_claims_never_change() {
        assert_eq!(nickname_claim_v1("Ann"), "claim.nickname.49915e0d7d4b402e3017d010bc1c0e83");
        assert_eq!(nickname_claim_v2("Ann"), "claim.nickname.v2-49915e0d7d4b402e3017d010bc1c0e83");
        assert_eq!(opener_claim(&"ann-1".parse().unwrap(), 12), "claim.nickname.opener-ann-1-12");
        assert!(is_nickname_claim_v2(&nickname_claim_v2("Ann")));
        assert!(!is_nickname_claim_v2(&nickname_claim_v1("Ann")) && !is_nickname_claim_v2(NICKNAMES_CLAIMED));
    }
}
