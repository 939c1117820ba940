//! Distributions of times, as HDR histograms, and how they are said.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::{Value, json};

/// Longer times than this count as this.
const LONGEST_US: u64 = 60_000_000;

/// A distribution of times. Three significant digits from a microsecond to a minute.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u32>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are constants that fit"))
    }
}

impl Times {
    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(us.clamp(1, LONGEST_US));
    }

    /// Counts a whole number that is no time.
    pub fn add_number(&mut self, number: u64) {
        self.0.saturating_record(number.clamp(1, LONGEST_US));
    }

    /// All of them, as every `HdrHistogram` library reads it: V2, compressed, Base64.
    #[must_use]
    pub fn base64(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("memory takes any bytes");
        BASE64_STANDARD.encode(bytes)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Count, mean, quantiles and maximum, in microseconds; `{"count": 0}` of none.
    #[must_use]
    pub fn figures(&self) -> Value {
        if self.0.is_empty() {
            return json!({"count": 0});
        }
        let quantile = |share: f64| self.0.value_at_quantile(share);
        json!({
            "count": self.0.len(),
            "mean": self.0.mean().round() as u64,
            "p50": quantile(0.50),
            "p90": quantile(0.90),
            "p99": quantile(0.99),
            "p999": quantile(0.999),
            "max": self.0.max(),
        })
    }
}
