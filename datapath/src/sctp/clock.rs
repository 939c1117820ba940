//! The caller's clock (float seconds, monotonic, any origin) as the `Instant` that `sctp-proto` wants.

use std::time::{Duration, Instant};

use super::SctpError;

/// Longest span the clock follows; beyond it the caller's numbers are not seconds.
const MAX_SPAN_S: f64 = 1e9;

/// Maps the caller's seconds to instants. Time never runs backwards: an earlier `now` counts as the latest one seen.
pub(super) struct Clock {
    base: Instant,
    base_s: f64,
    latest: Instant,
}

impl Clock {
    pub(super) fn new(now_s: f64) -> Result<Self, SctpError> {
        if !now_s.is_finite() {
            return Err(SctpError::InvalidTime);
        }
        let base = Instant::now();
        Ok(Self { base, base_s: now_s, latest: base })
    }

    /// Moves the clock to `now_s` and returns that instant.
    pub(super) fn advance(&mut self, now_s: f64) -> Result<Instant, SctpError> {
        let span_s = now_s - self.base_s;
        if !now_s.is_finite() || span_s > MAX_SPAN_S {
            return Err(SctpError::InvalidTime);
        }
        self.latest = self.latest.max(self.base + Duration::from_secs_f64(span_s.max(0.0)));
        Ok(self.latest)
    }

    /// The latest instant that [`Clock::advance`] returned.
    pub(super) fn latest(&self) -> Instant {
        self.latest
    }

    /// `instant` in the caller's seconds.
    pub(super) fn seconds(&self, instant: Instant) -> f64 {
        self.base_s + instant.saturating_duration_since(self.base).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_survive_the_round_trip() {
        let mut clock = Clock::new(1000.0).unwrap();
        let instant = clock.advance(1002.5).unwrap();
        assert!((clock.seconds(instant) - 1002.5).abs() < 1e-6);
    }

    #[test]
    fn time_never_runs_backwards() {
        let mut clock = Clock::new(10.0).unwrap();
        let later = clock.advance(11.0).unwrap();
        assert_eq!(clock.advance(5.0).unwrap(), later);
        assert_eq!(clock.latest(), later);
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        assert_eq!(Clock::new(f64::NAN).err(), Some(SctpError::InvalidTime));
        let mut clock = Clock::new(0.0).unwrap();
        for now_s in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e12] {
            assert_eq!(clock.advance(now_s).err(), Some(SctpError::InvalidTime));
        }
    }
}
