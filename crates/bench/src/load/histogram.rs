//! A histogram of latencies: 64 steps for each doubling, so a value is exact to 1.6 %.

use std::time::Duration;

/// The steps for each doubling, as a power of two.
const PRECISION: u32 = 6;

/// The quantiles of a curve, in hundredths of a percent.
const CURVE: [u64; 9] = [1_000, 2_500, 5_000, 7_500, 9_000, 9_500, 9_900, 9_990, 9_999];

/// Counts of latencies.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (65 - PRECISION as usize) << PRECISION], total: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(step(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(latency);
    }

    /// Adds the latencies of another histogram.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// The number of counted latencies.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The median in milliseconds.
    pub(crate) fn p50_ms(&self) -> f64 {
        self.quantile_ms(5_000)
    }

    /// The latency in milliseconds that 99 % do not exceed.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.quantile_ms(9_900)
    }

    /// The longest latency in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        self.max.as_secs_f64() * 1e3
    }

    /// The quantiles for a plot, in percent with their milliseconds.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let quantiles = CURVE.into_iter().filter(|quantile| self.total >= 10_000 / (10_000 - quantile));
        quantiles.map(|quantile| (float(quantile) / 100.0, self.quantile_ms(quantile))).collect()
    }

    fn quantile_ms(&self, hundredths: u64) -> f64 {
        let rank = (self.total * hundredths).div_ceil(10_000).max(1);
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return (float(middle(step)) / 1e6).min(self.max_ms());
            }
        }
        self.max_ms()
    }
}

/// Returns the step of a value.
fn step(nanos: u64) -> usize {
    let Some(doubling) = nanos.checked_ilog2().and_then(|log| log.checked_sub(PRECISION)) else {
        return usize::try_from(nanos).unwrap_or(0);
    };
    // The leading bit counts as one more doubling.
    let within = usize::try_from(nanos >> doubling).unwrap_or(0);
    ((doubling as usize) << PRECISION) + within
}

/// Returns the value in the middle of a step.
fn middle(step: usize) -> u64 {
    let size = 1_usize << PRECISION;
    if step < 2 * size {
        return step as u64;
    }
    let doubling = step / size - 1;
    let lower = ((size + step % size) as u64) << doubling;
    lower + (1 << doubling >> 1)
}

/// Converts a count.
#[expect(clippy::cast_precision_loss, reason = "no count reaches 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_two_percent() {
        let mut histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.count(), 10_000);
        for (found, expected) in [(histogram.p50_ms(), 5.0), (histogram.p99_ms(), 9.9), (histogram.max_ms(), 10.0)] {
            assert!((found - expected).abs() < 0.02 * expected, "{found} instead of {expected}");
        }
    }

    #[test]
    fn a_few_latencies_have_no_far_quantiles() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::from_millis(3));
        histogram.add(Duration::from_hours(1));
        assert!((histogram.p50_ms() - 3.0).abs() < 0.06);
        assert!(histogram.curve().iter().all(|(percent, _)| *percent <= 50.0));
    }
}
