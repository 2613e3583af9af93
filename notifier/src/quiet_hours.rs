//! The hours of a day in which a user wants no push messages, by the clock on the user's wall.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de::Error};

/// A part of each day in a time zone. It may span midnight.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct QuietHours {
    time_zone: Tz,
    #[serde(deserialize_with = "time_of_day")]
    from: NaiveTime,
    /// The first minute that is not quiet.
    #[serde(deserialize_with = "time_of_day")]
    to: NaiveTime,
}

impl QuietHours {
    /// Returns true if this moment is within the quiet hours.
    pub(crate) fn contain(&self, now: DateTime<Utc>) -> bool {
        let local = now.with_timezone(&self.time_zone).time();
        if self.from < self.to { self.from <= local && local < self.to } else { self.from <= local || local < self.to }
    }
}

fn time_of_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveTime::parse_from_str(&text, "%H:%M").map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(time_zone: &str, from: &str, to: &str) -> impl Fn(&str) -> bool {
        let stored = format!(r#"{{"time_zone":"{time_zone}","from":"{from}","to":"{to}"}}"#);
        let hours: QuietHours = serde_json::from_str(&stored).unwrap();
        move |now| hours.contain(now.parse().unwrap())
    }

    #[test]
    fn the_last_minute_is_not_quiet() {
        let quiet = quiet("UTC", "13:00", "14:30");
        assert!(quiet("2026-05-01T13:00:00Z") && quiet("2026-05-01T14:29:59Z"));
        assert!(!quiet("2026-05-01T12:59:59Z") && !quiet("2026-05-01T14:30:00Z"));
    }

    #[test]
    fn a_night_spans_midnight() {
        let quiet = quiet("Asia/Seoul", "22:00", "07:00");
        // Seoul is nine hours ahead.
        assert!(!quiet("2026-05-01T12:59:00Z") && quiet("2026-05-01T13:00:00Z"));
        assert!(quiet("2026-05-01T21:59:00Z") && !quiet("2026-05-01T22:00:00Z"));
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall_when_it_changes() {
        // Berlin sets its clocks from 02:00 to 03:00 at 01:00 UTC on 29 March 2026, and back on 25 October.
        let quiet = quiet("Europe/Berlin", "22:00", "07:00");
        assert!(quiet("2026-03-28T21:00:00Z"), "22:00 in winter");
        assert!(quiet("2026-03-29T04:59:00Z") && !quiet("2026-03-29T05:00:00Z"), "07:00 in summer is 05:00 UTC");
        assert!(!quiet("2026-03-29T19:59:00Z") && quiet("2026-03-29T20:00:00Z"), "22:00 in summer");
        assert!(quiet("2026-10-25T05:59:00Z") && !quiet("2026-10-25T06:00:00Z"), "07:00 in winter again");
    }

    #[test]
    fn an_hour_that_a_day_skips_is_not_quiet_and_one_that_it_repeats_is_quiet_twice() {
        let quiet = quiet("Europe/Berlin", "02:00", "03:00");
        assert!(!quiet("2026-03-29T00:59:00Z") && !quiet("2026-03-29T01:00:00Z"));
        assert!(quiet("2026-10-25T00:00:00Z") && quiet("2026-10-25T01:59:00Z") && !quiet("2026-10-25T02:00:00Z"));
    }
}
