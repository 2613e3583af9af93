//! Where time and new ids come from: the one place that asks the machine for them.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

/// Now, to the millisecond: the same in an event, in a row and in a frame.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    (Utc::now() + TimeDelta::milliseconds(SHIFT_MILLIS.load(Ordering::Relaxed))).trunc_subsecs(3)
}

/// The error of this process's clock, which only tests set.
static SHIFT_MILLIS: AtomicI64 = AtomicI64::new(0);

/// Makes the clock of this process wrong by so much, for tests.
pub fn shift(by: TimeDelta) {
    SHIFT_MILLIS.store(by.num_milliseconds(), Ordering::Relaxed);
}

/// A new id that sorts by time.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
