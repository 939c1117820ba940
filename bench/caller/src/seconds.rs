//! What happened in each second of a run, told once all that was due in it has had time to come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ear::Gap;
use crate::figures::Times;

/// A packet that takes longer to come back is lost for its second, though not for the run.
const PATIENCE: Duration = Duration::from_secs(1);
/// More gaps than that in a second of one process are counted and not listed.
const MOST_GAPS: usize = 2_000;

#[derive(Default)]
struct Second {
    sent: u64,
    echoed: u64,
    arrived: u64,
    missing: u64,
    setups: u64,
    failures: u64,
    lost: u64,
    gaps: Vec<(u32, u64, u64)>,
    gaps_unlisted: u64,
    round_trip: Times,
    active: usize,
}

/// See the module.
pub struct Seconds {
    begin: Instant,
    told: u64,
    open: BTreeMap<u64, Second>,
}

impl Seconds {
    /// Second 0 begins at `begin`.
    #[must_use]
    pub fn new(begin: Instant) -> Self {
        Self { begin, told: 0, open: BTreeMap::new() }
    }

    /// A packet was sent that was due at `due`.
    pub fn sent(&mut self, due: Instant) {
        if let Some(second) = self.at(due) {
            second.sent += 1;
        }
    }

    /// It came back.
    pub fn echoed(&mut self, due: Instant, round_trip: Duration) {
        if let Some(second) = self.at(due) {
            second.echoed += 1;
            second.round_trip.add(round_trip);
        }
    }

    /// A packet came, before which others were skipped.
    pub fn arrived(&mut self, at: Instant, skipped: u64) {
        if let Some(second) = self.at(at) {
            second.arrived += 1;
            second.missing += skipped;
        }
    }

    /// A call has come up.
    pub fn set_up(&mut self, at: Instant) {
        if let Some(second) = self.at(at) {
            second.setups += 1;
        }
    }

    /// A call has failed.
    pub fn failed(&mut self, at: Instant) {
        if let Some(second) = self.at(at) {
            second.failures += 1;
        }
    }

    /// A call that was up has failed.
    pub fn lost(&mut self, at: Instant) {
        if let Some(second) = self.at(at) {
            second.lost += 1;
        }
    }

    /// A call heard nothing for a while; the second is the one in which that was over.
    pub fn gap(&mut self, slot: u32, gap: Gap) {
        let began_ms = gap.began.saturating_duration_since(self.begin).as_millis() as u64;
        let Some(second) = self.at(gap.began + gap.length) else { return };
        if second.gaps.len() < MOST_GAPS {
            second.gaps.push((slot, began_ms, gap.length.as_millis() as u64));
        } else {
            second.gaps_unlisted += 1;
        }
    }

    /// So many calls are up now.
    pub fn active(&mut self, at: Instant, calls: usize) {
        if let Some(second) = self.at(at) {
            second.active = calls;
        }
    }

    /// When the next second can be told.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.begin + Duration::from_secs(self.told + 1) + PATIENCE
    }

    /// Takes the seconds that can be told.
    pub fn tell(&mut self, now: Instant) -> Vec<Value> {
        let mut told = Vec::new();
        while self.next() <= now {
            told.push(self.take());
        }
        told
    }

    /// Takes all seconds that began before `end`, however little time they had.
    pub fn tell_rest(&mut self, end: Instant) -> Vec<Value> {
        let mut told = Vec::new();
        while self.begin + Duration::from_secs(self.told) < end {
            told.push(self.take());
        }
        told
    }

    fn take(&mut self) -> Value {
        let second = self.open.remove(&self.told).unwrap_or_default();
        let number = self.told;
        self.told += 1;
        json!({
            "second": number,
            "active": second.active,
            "sent": second.sent,
            "echoed": second.echoed,
            "arrived": second.arrived,
            "missing": second.missing,
            "setups": second.setups,
            "failures": second.failures,
            "lost": second.lost,
            "gaps": second.gaps,
            "gaps_unlisted": second.gaps_unlisted,
            "round_trip_us": (second.round_trip.count() > 0).then(|| second.round_trip.base64()),
        })
    }

    /// None of a second that has been told.
    fn at(&mut self, when: Instant) -> Option<&mut Second> {
        let number = when.saturating_duration_since(self.begin).as_secs();
        (number >= self.told).then(|| self.open.entry(number).or_default())
    }
}
