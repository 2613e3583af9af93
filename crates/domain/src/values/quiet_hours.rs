//! Hours of the day in which a user receives no push messages.

use std::fmt;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// A time zone, by its name in the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(Tz);

impl TimeZone {
    /// The maximum number of characters of a name.
    pub const MAX_CHARS: usize = 64;

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0.name()
    }
}

impl TryFrom<String> for TimeZone {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let zone = text.parse().map_err(|_| InvalidValue("must be a time zone of the IANA database, like Asia/Seoul"));
        zone.map(Self)
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.as_str().to_owned()
    }
}

/// A time of day in hours and minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    /// The pattern of a time of day.
    pub const PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
}

impl TryFrom<String> for TimeOfDay {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let part = |digits: &str, end: u8| {
            let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
            digits.parse().ok().filter(|number| is_number && *number < end)
        };
        let time = text
            .split_once(':')
            .and_then(|(hour, minute)| Some(Self { hour: part(hour, 24)?, minute: part(minute, 60)? }));
        time.ok_or(InvalidValue("must be a time of day from 00:00 to 23:59"))
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// The quiet hours of a user. They last until the next day if `to` is earlier than `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    time_zone: TimeZone,
    from: TimeOfDay,
    to: TimeOfDay,
}

impl QuietHours {
    /// Accepts two different times.
    pub fn new(time_zone: TimeZone, from: TimeOfDay, to: TimeOfDay) -> Result<Self, InvalidValue> {
        if from == to { Err(InvalidValue("must differ from `from`")) } else { Ok(Self { time_zone, from, to }) }
    }

    /// The time zone of the times.
    pub fn time_zone(self) -> TimeZone {
        self.time_zone
    }

    /// The first quiet minute.
    pub fn from(self) -> TimeOfDay {
        self.from
    }

    /// The minute after the last quiet one.
    pub fn to(self) -> TimeOfDay {
        self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Result<TimeOfDay, InvalidValue> {
        TimeOfDay::try_from(text.to_owned())
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        for good in ["00:00", "07:05", "19:59", "23:59"] {
            assert_eq!(time(good).unwrap().to_string(), good);
        }
        for bad in ["", ":", "7:00", "24:00", "12:60", "12:5", "12:00:00", "+1:00", "12.00", " 12:00", "٠٧:٠٠"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_zone_has_a_name_of_the_iana_database() {
        for good in ["Asia/Seoul", "Europe/Berlin", "America/Argentina/ComodRivadavia", "UTC"] {
            assert_eq!(TimeZone::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "Seoul", "asia/seoul", "+09:00", "Asia/Seoul ", "Mars/Olympus_Mons"] {
            assert!(TimeZone::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(chrono_tz::TZ_VARIANTS.iter().all(|zone| zone.name().len() <= TimeZone::MAX_CHARS));
    }

    #[test]
    fn quiet_hours_begin_and_end_at_different_times() {
        let seoul = TimeZone::try_from("Asia/Seoul".to_owned()).unwrap();
        let (evening, morning) = (time("22:00").unwrap(), time("07:00").unwrap());
        assert!(QuietHours::new(seoul, evening, morning).is_ok() && QuietHours::new(seoul, morning, evening).is_ok());
        assert!(QuietHours::new(seoul, evening, evening).is_err());
    }
}
