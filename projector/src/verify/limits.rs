//! The limits of a verification.

/// Limits of the cost and output of a verification.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum rate in rows per second, counted once for both generations. For a fresh projection, events per
    /// second.
    pub max_rate: Option<u32>,
    /// True if building a fresh projection leaves most of the time to other work.
    pub low_priority: bool,
    /// The number of differences to report in detail; all are counted.
    pub shown: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_rate: None, low_priority: false, shown: 20 }
    }
}
