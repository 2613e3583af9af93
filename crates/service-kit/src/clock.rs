//! The source of time and of new ids: no other code reads the system clock.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

/// The current time, truncated to milliseconds: the same precision as in events, rows and frames.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> DateTime<Utc> {
    (Utc::now() + TimeDelta::milliseconds(SHIFT_MILLIS.load(Ordering::Relaxed))).trunc_subsecs(3)
}

/// The offset of this process's clock. Only tests set it.
static SHIFT_MILLIS: AtomicI64 = AtomicI64::new(0);

/// Offsets the clock of this process, for tests.
pub fn shift(by: TimeDelta) {
    SHIFT_MILLIS.store(by.num_milliseconds(), Ordering::Relaxed);
}

/// Returns a new id. Ids sort by time.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
