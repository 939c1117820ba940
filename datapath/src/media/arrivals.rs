//! When a client's packets came, by their transport-wide sequence numbers, until a feedback packet has said so.

// Sequence numbers take the low bits of numbers that count on; times are not negative.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::collections::VecDeque;

use super::transport_feedback::{build, TICKS_PER_SECOND};

/// From the first packet that is not reported until the next that comes after so many seconds.
pub const FEEDBACK_INTERVAL_S: f64 = 0.25;
/// Ten times what an audio client sends within the interval.
pub const MAX_ARRIVALS: usize = 256;
/// A leap beyond that is a client that has begun to number anew.
pub const MAX_GAP: i64 = 1000;
/// In one feedback packet, which then still fits a datagram.
pub const MAX_STATUSES: i64 = 2000;

const MEMORY_S: f64 = 0.5;
const SEQUENCE_RANGE: i64 = 1 << 16;

/// One client's packets. What was reported is remembered for half a second, in case an older one turns up late.
#[derive(Default)]
pub struct Arrivals {
    due: Option<f64>,
    /// Number with its wraps, and time in ticks, in the order of arrival.
    noted: VecDeque<(i64, i64)>,
    highest: Option<i64>,
    /// From here on nothing has been reported.
    start: i64,
    feedback_count: u8,
}

impl Arrivals {
    /// Notes a packet with the transport-wide number `sequence`.
    pub fn received(&mut self, sequence: u16, now: f64) {
        let sequence = i64::from(sequence);
        let extended = match self.highest {
            Some(highest) if sequence == (highest + 1).rem_euclid(SEQUENCE_RANGE) => {
                self.highest = Some(highest + 1);
                highest + 1
            }
            highest => {
                let extended = self.extend(sequence, highest);
                if self.noted.iter().any(|&(number, _)| number == extended) {
                    return;
                }
                extended
            }
        };
        if self.noted.len() >= MAX_ARRIVALS {
            self.noted.pop_front();
        }
        self.noted.push_back((extended, (now * TICKS_PER_SECOND) as i64));
        self.start = self.start.min(extended);
        self.due.get_or_insert(now + FEEDBACK_INTERVAL_S);
    }

    /// The number with its wraps, by the smallest distance from the highest one.
    fn extend(&mut self, sequence: i64, highest: Option<i64>) -> i64 {
        let Some(highest) = highest else {
            self.highest = Some(sequence);
            self.start = sequence;
            return sequence;
        };
        let half = SEQUENCE_RANGE / 2;
        let distance = (sequence - highest + half).rem_euclid(SEQUENCE_RANGE) - half;
        let extended = highest + distance;
        if distance.abs() > MAX_GAP {
            self.noted.clear();
            self.highest = Some(extended);
            self.start = extended;
        } else if distance > 0 {
            self.highest = Some(extended);
        }
        extended
    }

    /// Appends to `out` the feedback packet that is due; false if none is.
    pub fn feedback(&mut self, out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, now: f64) -> bool {
        let (Some(due), Some(highest)) = (self.due, self.highest) else { return false };
        if now < due {
            return false;
        }
        self.due = None;
        let horizon = ((now - MEMORY_S) * TICKS_PER_SECOND) as i64;
        let start = self.start;
        self.noted.retain(|&(number, arrival)| arrival >= horizon || number >= start);
        let end = highest + 1;
        let base = start.max(end - MAX_STATUSES);
        let mut statuses = vec![None; usize::try_from(end - base).unwrap_or(0)];
        for &(number, arrival) in &self.noted {
            if let Some(status) = usize::try_from(number - base).ok().and_then(|index| statuses.get_mut(index)) {
                *status = Some(arrival);
            }
        }
        self.start = end;
        if statuses.iter().all(Option::is_none) {
            return false;
        }
        build(out, sender_ssrc, media_ssrc, base.rem_euclid(SEQUENCE_RANGE) as u16, &statuses, self.feedback_count);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        true
    }
}
