//! Whether to wait for a packet or to let packets gather.
//!
//! Waking up costs more than forwarding a packet, and a train saves only what it joins. So a busy thread lets packets
//! gather for a bounded time before it receives. A quiet one must not: there a timer costs more than the wake-up it
//! saves, and the packet would be late for nothing.
//!
//! ```text
//! receive n          sleeps                            receive n+1       sent
//! |--- handling ---|------------------------|-- late --|--- handling ---|
//!  ^ a packet that just missed it waits `gather` at most, until here ---^
//! ```
//!
//! The unluckiest packet waits for the timer, which is late by what waking up takes, and for the batch it comes in to be
//! handled. So the timer is set earlier by what both took lately. Takes time as an argument, keeps no clock.

use std::time::{Duration, Instant};

/// A quiet thread's rate is measured over at least this long.
const QUIET_WINDOW: Duration = Duration::from_millis(5);
/// A busy one's: over a pause of some ten milliseconds, as between the bursts of senders that share a core or a clock, or
/// while a hypervisor runs something else, it stays busy.
const BUSY_WINDOW: Duration = Duration::from_millis(100);

/// When a thread lets packets gather.
#[derive(Clone, Copy, Debug)]
pub struct PaceSettings {
    /// How long a packet may be held, until it is sent; zero: never.
    pub gather: Duration,
    /// Above how many packets per second, both directions together.
    pub threshold: u32,
}

/// What to do before the next receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Block until there is a packet.
    ForPacket,
    /// Sleep until then.
    Until(Instant),
    /// There is more already.
    NotAtAll,
}

/// One thread's pace.
pub struct Pace {
    settings: PaceSettings,
    window_start: Instant,
    window_packets: u64,
    gathering: bool,
    late: Duration,
    handling: Duration,
}

impl Pace {
    /// Begins quiet.
    #[must_use]
    pub fn new(settings: PaceSettings, now: Instant) -> Self {
        let (late, handling) = (Duration::ZERO, Duration::ZERO);
        Self { settings, window_start: now, window_packets: 0, gathering: false, late, handling }
    }

    /// A receive that began at `received_at` has brought so many packets, which were handled by `now`, and perhaps left
    /// some; what comes next?
    pub fn after(&mut self, packets: usize, more: bool, received_at: Instant, now: Instant) -> Wait {
        self.window_packets += packets as u64;
        self.measure(received_at);
        if more {
            Wait::NotAtAll
        } else if self.gathering && packets > 0 {
            // A thread may be held up by other things than packets.
            let handling = now.saturating_duration_since(received_at).min(self.settings.gather / 2);
            self.handling = (self.handling * 7 + handling) / 8;
            Wait::Until(received_at + self.settings.gather.saturating_sub(self.late + self.handling))
        } else {
            Wait::ForPacket
        }
    }

    /// A sleep until some instant has ended so much after it. A thread may be late for other reasons than waking up, so
    /// no more than a quarter of the gathering counts.
    pub fn woke_late(&mut self, by: Duration) {
        self.late = (self.late * 7 + by.min(self.settings.gather / 4)) / 8;
    }

    /// Starting to gather takes the threshold, stopping three quarters of it, so that no rate makes it flap.
    fn measure(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed < if self.gathering { BUSY_WINDOW } else { QUIET_WINDOW } {
            return;
        }
        let quarters = if self.gathering { 3 } else { 4 };
        let threshold = u128::from(self.settings.threshold) * elapsed.as_micros() * quarters / 4;
        self.gathering = !self.settings.gather.is_zero() && u128::from(self.window_packets) * 1_000_000 > threshold;
        (self.window_start, self.window_packets) = (now, 0);
    }
}
