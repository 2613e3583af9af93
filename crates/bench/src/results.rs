//! The results of scenarios: figures of single runs, with their median and spread.

use std::collections::BTreeSet;

use serde::Serialize;

/// The results of one scenario.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Results {
    pub(crate) scenario: &'static str,
    /// One sentence: what is measured, and beside what.
    pub(crate) summary: &'static str,
    /// The unit that processor time is given for.
    pub(crate) unit: &'static str,
    pub(crate) rows: Vec<Row>,
    /// Remarks on the results as a whole: checks that passed or failed.
    pub(crate) remarks: Vec<String>,
}

/// The name of the load client among the processes. It does not count in sums, as it is not a part of a system.
pub(crate) const LOAD_CLIENT: &str = "load client";

/// All runs of one case with one subject.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) subject: &'static str,
    pub(crate) samples: Vec<Sample>,
}

/// The measurements of one run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Sample {
    pub(crate) figures: Vec<Figure>,
    /// Microseconds of processor time for each unit, by process.
    pub(crate) cpu_micros: Vec<(&'static str, f64)>,
    /// Latencies in milliseconds by percent, if they are measured.
    pub(crate) curve: Vec<(f64, f64)>,
    /// Reasons for which the run does not count, though nothing is wrong with Boxroom.
    pub(crate) disturbances: Vec<String>,
    /// Errors, lost and repeated messages. A run with them does not count, and the benchmark fails.
    pub(crate) faults: BTreeSet<String>,
}

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// The name with its unit.
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

/// The median of several runs, with the lowest and the highest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Sample {
    /// Adds a value.
    pub(crate) fn figure(mut self, name: &'static str, value: f64) -> Self {
        self.figures.push(Figure { name, value });
        self
    }

    /// True if the run was neither disturbed nor wrong.
    pub(crate) fn counts(&self) -> bool {
        self.disturbances.is_empty() && self.faults.is_empty()
    }
}

impl Results {
    pub(crate) fn new(scenario: &'static str, summary: &'static str, unit: &'static str) -> Self {
        Self { scenario, summary, unit, rows: Vec::new(), remarks: Vec::new() }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, case: &str, subject: &'static str, sample: Sample) {
        let row = self.rows.iter_mut().find(|row| row.case == case && row.subject == subject);
        match row {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row { case: case.to_owned(), subject, samples: vec![sample] }),
        }
    }

    /// The number of runs that count.
    pub(crate) fn counted(&self, case: &str, subject: &str) -> usize {
        let row = self.rows.iter().find(|row| row.case == case && row.subject == subject);
        row.map_or(0, |row| row.samples.iter().filter(|sample| sample.counts()).count())
    }

    /// What was wrong in any run.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        self.rows.iter().flat_map(move |row| {
            let faults = row.samples.iter().flat_map(|sample| &sample.faults);
            faults.map(move |fault| format!("{}, {}, {}: {fault}", self.scenario, row.case, row.subject))
        })
    }
}

impl Row {
    /// The runs that count, or all if none does.
    pub(crate) fn best(&self) -> Vec<&Sample> {
        let counted: Vec<&Sample> = self.samples.iter().filter(|sample| sample.counts()).collect();
        if counted.is_empty() { self.samples.iter().collect() } else { counted }
    }

    /// The median and spread of each figure.
    pub(crate) fn figures(&self) -> Vec<(&'static str, Spread)> {
        spreads(self.best().into_iter().map(|sample| sample.figures.iter().map(|figure| (figure.name, figure.value))))
    }

    /// The median and spread of each process.
    pub(crate) fn cpu_micros(&self) -> Vec<(&'static str, Spread)> {
        spreads(self.best().into_iter().map(|sample| sample.cpu_micros.iter().copied()))
    }

    /// The sum of the medians of all processes of the system.
    pub(crate) fn cpu_sum(&self) -> f64 {
        let processes = self.cpu_micros();
        processes.iter().filter(|(name, _)| *name != LOAD_CLIENT).map(|(_, spread)| spread.median).sum()
    }

    /// Describes how many runs count, and why others do not.
    pub(crate) fn remark(&self) -> Option<String> {
        let counted = self.samples.iter().filter(|sample| sample.counts()).count();
        let reasons = self.samples.iter().flat_map(|sample| sample.disturbances.iter().chain(&sample.faults));
        let reasons: BTreeSet<&str> = reasons.map(String::as_str).collect();
        (counted < self.samples.len()).then(|| {
            let reasons: Vec<&str> = reasons.into_iter().collect();
            format!("{counted} of {} runs count: {}", self.samples.len(), reasons.join("; "))
        })
    }
}

fn spreads<I: Iterator<Item = (&'static str, f64)>>(samples: impl Iterator<Item = I>) -> Vec<(&'static str, Spread)> {
    let mut values: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for (name, value) in samples.flatten() {
        match values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => values.push((name, vec![value])),
        }
    }
    values.into_iter().filter_map(|(name, values)| Some((name, Spread::of(values)?))).collect()
}

impl Spread {
    /// None without values.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { low, median, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(value: f64, disturbance: Option<&str>) -> Sample {
        let disturbances = disturbance.into_iter().map(str::to_owned).collect();
        Sample { disturbances, ..Sample::default().figure("ms", value) }
    }

    #[test]
    fn disturbed_runs_do_not_count_unless_all_are() {
        let mut results = Results::new("a", "", "");
        results.add("case", "boxroom", sample(9.0, Some("other load")));
        assert_eq!(results.rows[0].figures()[0].1.median.to_string(), "9");
        results.add("case", "boxroom", sample(1.0, None));
        results.add("case", "boxroom", sample(2.0, None));
        let Spread { low, median, high } = results.rows[0].figures()[0].1;
        assert_eq!([low, median, high].map(|value| value.to_string()), ["1", "1.5", "2"]);
        assert_eq!(results.rows[0].remark().unwrap(), "2 of 3 runs count: other load");
    }
}
