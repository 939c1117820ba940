//! What came back of one caller's packets within a window: exact, because each carries its number.

use std::time::{Duration, Instant};

/// Which of the packets `first..` have come back, in which order, and how long nothing did.
#[derive(Debug, Default)]
pub struct Arrivals {
    seen: Vec<u64>,
    highest: Option<u32>,
    last_at: Option<Instant>,
    /// Different packets that came back.
    pub received: u64,
    /// Came back more than once.
    pub duplicates: u64,
    /// Came back after a later one.
    pub reordered: u64,
    /// The longest time between two arrivals.
    pub longest_silence: Duration,
}

impl Arrivals {
    /// Packet `index` of the window, counted from 0, has come back. False if it had before.
    pub fn arrived(&mut self, index: u32, now: Instant) -> bool {
        let (word, bit) = (index as usize / 64, 1u64 << (index % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.duplicates += 1;
            return false;
        }
        self.seen[word] |= bit;
        self.received += 1;
        if self.highest.is_some_and(|highest| index < highest) {
            self.reordered += 1;
        }
        self.highest = self.highest.max(Some(index));
        if let Some(last) = self.last_at {
            self.longest_silence = self.longest_silence.max(now.saturating_duration_since(last));
        }
        self.last_at = Some(now);
        true
    }
}
