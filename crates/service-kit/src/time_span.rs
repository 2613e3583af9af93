//! Time spans on the command line.

use chrono::TimeDelta;

/// Parses a time span: a number and a unit, which is `ms`, `s`, `m`, `h` or `d`.
pub fn parse(text: &str) -> Result<TimeDelta, String> {
    let invalid = || format!("{text} is not a time span like 90s, 15m, 24h or 7d");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(unit_at);
    let number: i64 = number.parse().map_err(|_| invalid())?;
    let span = match unit {
        "ms" => TimeDelta::try_milliseconds(number),
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    };
    span.filter(|span| *span > TimeDelta::zero() && *span <= TimeDelta::days(3660)).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_have_a_unit() {
        assert_eq!(parse("1500ms"), Ok(TimeDelta::milliseconds(1500)));
        assert_eq!(parse("90s"), Ok(TimeDelta::seconds(90)));
        assert_eq!(parse("24h"), Ok(TimeDelta::hours(24)));
        assert_eq!(parse("7d"), Ok(TimeDelta::days(7)));
        for bad in ["", "h", "5", "0s", "-1h", "1.5h", "1 h", "1w", "99999999999999999999s", "9999999999999d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
