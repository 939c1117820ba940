//! A stretch of time in which packets of playing calls are measured. A packet belongs to the window it was due in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::arrivals::Arrivals;
use crate::figures::Times;
use crate::load::FRAME;

/// See the module.
pub struct Window {
    begin: Instant,
    end: Instant,
    calls: BTreeMap<u32, Arrivals>,
    expected: u64,
    round_trip: Times,
    from_workers: u64,
    cpu_at_begin: Duration,
    cpu_at_end: Option<Duration>,
    late: Times,
}

impl Window {
    /// A window that begins now or later. Made when it begins, so that the load's own CPU time counts from then.
    #[must_use]
    pub fn new(begin: Instant, end: Instant) -> Self {
        Self {
            begin,
            end,
            calls: BTreeMap::new(),
            expected: 0,
            round_trip: Times::default(),
            from_workers: 0,
            cpu_at_begin: own_cpu(),
            cpu_at_end: None,
            late: Times::default(),
        }
    }

    /// A call plays all through it, from `origin` before it on.
    pub fn watch(&mut self, slot: u32, origin: Instant) {
        let until = |when: Instant| when.saturating_duration_since(origin).as_nanos().div_ceil(FRAME.as_nanos());
        self.expected += (until(self.end) - until(self.begin)) as u64;
        self.calls.insert(slot, Arrivals::default());
    }

    /// A packet came back that was due at `due`, the call's `index`th.
    pub fn heard(&mut self, slot: u32, due: Instant, index: u32, at: Instant) {
        if due < self.begin || due >= self.end {
            return;
        }
        if let Some(call) = self.calls.get_mut(&slot) {
            if call.arrived(index, at) {
                self.round_trip.add(at.saturating_duration_since(due));
            }
        }
    }

    /// A packet came that a worker made.
    pub fn heard_worker(&mut self, at: Instant) {
        if at >= self.begin && at < self.end {
            self.from_workers += 1;
        }
    }

    /// It is over: the load's lateness in it, and its CPU time.
    pub fn close(&mut self, late: Times) {
        self.late = late;
        self.cpu_at_end = Some(own_cpu());
    }

    /// What was measured. Times in microseconds.
    #[must_use]
    pub fn figures(&self) -> Value {
        let sum = |of: fn(&Arrivals) -> u64| self.calls.values().map(of).sum::<u64>();
        let received = sum(|call| call.received);
        let mut silences = Times::default();
        for call in self.calls.values() {
            silences.add(call.longest_silence);
        }
        let seconds = (self.end - self.begin).as_secs_f64();
        let own_cpu = self.cpu_at_end.unwrap_or_default().saturating_sub(self.cpu_at_begin);
        json!({
            "seconds": seconds,
            "calls": self.calls.len(),
            "sent": self.expected,
            "received": received,
            "lost": self.expected.saturating_sub(received),
            "reordered": sum(|call| call.reordered),
            "duplicates": sum(|call| call.duplicates),
            "from_workers": self.from_workers,
            "round_trip_us": self.round_trip.figures(),
            "longest_silence_us": silences.figures(),
            "load": {
                "late_us": self.late.figures(),
                "cpu_share_of_core": own_cpu.as_secs_f64() / seconds,
            },
        })
    }
}

/// CPU time of the thread that drives the calls.
#[must_use]
pub fn own_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
