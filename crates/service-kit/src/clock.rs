//! Where time and new ids come from: the one place that asks the machine for them.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// Now, to the millisecond: the same in an event, in a row and in a frame.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// A new id that sorts by time.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
