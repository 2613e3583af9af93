//! Tables for the terminal.

use std::fmt::{self, Write};

use super::Report;
use crate::results::{Results, Row, Spread};

/// Writes all tables.
pub(crate) fn text(report: &Report) -> Result<String, fmt::Error> {
    let mut text = format!("{}\n{}\n", report.machine, report.settings);
    for results in &report.scenarios {
        scenario(&mut text, results)?;
    }
    Ok(text)
}

fn scenario(text: &mut String, results: &Results) -> fmt::Result {
    writeln!(text, "\n{}: {}", results.scenario, results.summary)?;
    let mut case = "";
    for row in &results.rows {
        if row.case != case {
            case = &row.case;
            writeln!(text, "\n  {case}")?;
        }
        write_row(text, row, results.unit)?;
    }
    for remark in &results.remarks {
        writeln!(text, "  {remark}")?;
    }
    Ok(())
}

fn write_row(text: &mut String, row: &Row, unit: &str) -> fmt::Result {
    for (index, (name, spread)) in row.figures().into_iter().enumerate() {
        let subject = if index == 0 { row.subject } else { "" };
        writeln!(text, "    {subject:<14} {name:<26} {}", Shown(spread))?;
    }
    let processes = row.cpu_micros();
    if !processes.is_empty() {
        let parts = processes.iter().map(|(name, spread)| format!("{name} {}", number(spread.median)));
        let parts: Vec<String> = parts.collect();
        writeln!(text, "    {:<14} processor us/{unit:<13} {:>10}  {}", "", number(row.cpu_sum()), parts.join(", "))?;
    }
    if let Some(remark) = row.remark() {
        writeln!(text, "    {:<14} {remark}", "")?;
    }
    Ok(())
}

/// A median with its spread.
struct Shown(Spread);

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { low, median, high } = self.0;
        write!(formatter, "{:>10}", number(median))?;
        if (low, high) == (median, median) {
            Ok(())
        } else {
            write!(formatter, "  {} to {}", number(low), number(high))
        }
    }
}

/// Shows three digits, or all digits before the point.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{LOAD_CLIENT, Sample};

    #[test]
    fn a_table_shows_median_spread_and_processor_time() {
        let mut results = Results::new("deliver", "Messages.", "delivery");
        for value in [1.0, 2.0, 30.0] {
            let sample =
                Sample { cpu_micros: vec![("nats", 4.0), ("query", 2.5), (LOAD_CLIENT, 9.0)], ..Sample::default() };
            results.add("W1", "boxroom", sample.figure("p50 ms", value));
        }
        let report = Report { machine: "2 cores".to_owned(), settings: "As shipped.", scenarios: vec![results] };
        let text = text(&report).unwrap();
        for part in ["W1", "boxroom", "2.00  1.00 to 30.0", "6.50  nats 4.00, query 2.50, load client 9.00"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
