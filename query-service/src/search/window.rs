//! The time that a search covers: first the newest week, then more until the page is full, so that a common word is
//! not sorted whole.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use text::search::{BLOCK_WEEKS, block_lexeme, week_lexeme, week_of};

/// Beyond this number of weeks, all messages are searched.
const MAX_WEEKS: i64 = 4 * BLOCK_WEEKS;

/// The factor by which a window grows if some messages were found in it, and if none was.
const GROWTH: (i64, i64) = (4, 16);

/// A time from which on messages are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    newest: DateTime<Utc>,
    /// `None` for all messages.
    weeks: Option<i64>,
}

impl Window {
    /// Returns the first window for messages before this time.
    pub(super) fn before(newest: DateTime<Utc>) -> Self {
        Self { newest, weeks: Some(1) }
    }

    /// Returns the window for all messages before this time.
    pub(super) fn all(newest: DateTime<Utc>) -> Self {
        Self { newest, weeks: None }
    }

    /// Returns the next larger window. `None` if this one contains all messages from `oldest` on.
    pub(super) fn widen(self, oldest: Option<DateTime<Utc>>, found: usize) -> Option<Self> {
        let weeks = self.weeks?;
        if oldest.is_some_and(|oldest| self.newest - oldest <= TimeDelta::weeks(weeks)) {
            return None;
        }
        let weeks = weeks * if found == 0 { GROWTH.1 } else { GROWTH.0 };
        Some(Self { weeks: Some(weeks).filter(|weeks| *weeks <= MAX_WEEKS), ..self })
    }

    /// Returns the text of the `tsquery` for the messages of this window. `None` for all messages.
    pub(super) fn tsquery(self) -> Option<String> {
        let weeks = self.weeks?;
        // Another clock may be ahead of this one.
        let newest = week_of(self.newest.timestamp()) + 1;
        let quoted = |lexeme: String| format!("'{lexeme}'");
        let lexemes: Vec<String> = if weeks < BLOCK_WEEKS {
            let weeks: RangeInclusive<i64> = newest - weeks - 1..=newest;
            weeks.map(|week| quoted(week_lexeme(week))).collect()
        } else {
            let blocks = (0..=weeks / BLOCK_WEEKS + 1).map(|block| newest - block * BLOCK_WEEKS);
            blocks.map(|week| quoted(block_lexeme(week))).collect()
        };
        Some(lexemes.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_widens_until_it_contains_everything() {
        let first = Window::before(time("2026-11-29T00:00:00Z"));
        assert_eq!(first.tsquery().unwrap(), "'t:2968' | 't:2969' | 't:2970'");
        let weeks = |window: Option<Window>| window.and_then(|window| window.weeks);
        let second = first.widen(None, 1).unwrap();
        assert_eq!(second.weeks, Some(4));
        assert_eq!(weeks(second.widen(None, 1)), Some(16));
        assert_eq!(weeks(first.widen(None, 0)), Some(16));
        let third = second.widen(None, 1).unwrap();
        assert_eq!(third.tsquery().unwrap(), "'b:185' | 'b:184' | 'b:183'");
        let all = third.widen(None, 1).unwrap().widen(None, 1).unwrap();
        assert_eq!((all.tsquery(), all.widen(None, 0)), (None, None));
    }

    #[test]
    fn a_window_that_reaches_the_oldest_message_is_the_last() {
        let first = Window::before(time("2026-11-29T00:00:00Z"));
        assert_eq!(first.widen(Some(time("2026-11-22T00:00:00Z")), 0), None);
        assert!(first.widen(Some(time("2026-11-21T00:00:00Z")), 0).is_some());
    }
}
