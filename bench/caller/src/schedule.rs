//! What is due when: times in order, each with the caller that it belongs to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

/// Times in order. The same caller may be in it more than once; whoever takes an entry knows whether it still counts.
#[derive(Debug, Default)]
pub struct Schedule(BinaryHeap<Reverse<(Instant, u32)>>);

impl Schedule {
    /// Caller `slot` is due at `when`.
    pub fn add(&mut self, when: Instant, slot: u32) {
        self.0.push(Reverse((when, slot)));
    }

    /// The earliest time.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes the earliest entry that is due.
    pub fn take_due(&mut self, now: Instant) -> Option<(Instant, u32)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

/// The same for times that are all one period ahead when they are added: a queue that is in order by itself.
#[derive(Debug, Default)]
pub struct Rounds(VecDeque<(Instant, u32)>);

impl Rounds {
    /// Caller `slot` is due at `when`. Quick if that is the last of all, which it is but for a caller who begins.
    pub fn add(&mut self, when: Instant, slot: u32) {
        if self.0.back().is_none_or(|(last, _)| *last <= when) {
            self.0.push_back((when, slot));
        } else {
            let at = self.0.partition_point(|(each, _)| *each <= when);
            self.0.insert(at, (when, slot));
        }
    }

    /// The earliest time.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.front().map(|(when, _)| *when)
    }

    /// Takes the earliest entry that is due.
    pub fn take_due(&mut self, now: Instant) -> Option<(Instant, u32)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_front()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
