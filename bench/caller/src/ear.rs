//! What one caller hears, judged by RTP alone: loss, order, jitter, silence, and what a jitter buffer would conceal.

use std::time::{Duration, Instant};

const CLOCK_RATE: f64 = 48_000.0;
const FRAME_S: f64 = 0.02;
/// A silence from this length on is told: three packets.
pub const GAP_FROM: Duration = Duration::from_millis(60);
/// Sequence numbers that jump further belong to a stream that began anew.
const JUMP: u64 = 3_000;
/// The fastest way of late is that of this stretch and the one before.
const STRETCH: Duration = Duration::from_secs(2);

/// Header of an RTP packet, both numbers extended beyond their wrap.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Extended sequence number.
    pub sequence_number: u64,
    /// Extended timestamp, in samples at 48 kHz.
    pub rtp_timestamp: u64,
    /// When it arrived.
    pub at: Instant,
}

/// A time in which nothing came that should have.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// When the last packet before it came.
    pub began: Instant,
    /// How long it was.
    pub length: Duration,
}

/// What it means that timestamps go further than packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pauses {
    /// The sender had nothing to say.
    OnPurpose,
    /// An echo that is silent has not heard us, who talk all the time.
    Felt,
}

/// See the module.
#[derive(Debug)]
pub struct Ear {
    buffer_s: f64,
    pauses: Pauses,
    epoch: Option<Instant>,
    newest: Option<Packet>,
    heard_at: Option<Instant>,
    last_transit_s: Option<f64>,
    floor: Floor,
    jitter_s: f64,
    /// Packets that came.
    pub arrived: u64,
    /// Sequence numbers that were skipped and have not come since.
    pub missing: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came too late for a jitter buffer of that length.
    pub late: u64,
    /// The longest silence.
    pub longest_silence: Duration,
}

impl Ear {
    /// An ear behind a jitter buffer of fixed length.
    #[must_use]
    pub fn new(buffer: Duration, pauses: Pauses) -> Self {
        Self {
            buffer_s: buffer.as_secs_f64(),
            pauses,
            epoch: None,
            newest: None,
            heard_at: None,
            last_transit_s: None,
            floor: Floor::default(),
            jitter_s: 0.0,
            arrived: 0,
            missing: 0,
            reordered: 0,
            late: 0,
            longest_silence: Duration::ZERO,
        }
    }

    /// Counts from here on.
    pub fn count_anew(&mut self) {
        (self.arrived, self.missing, self.reordered, self.late) = (0, 0, 0, 0);
        self.longest_silence = Duration::ZERO;
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1).
    #[must_use]
    pub fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter_s)
    }

    /// Share of what was played that a decoder had to invent; None if nothing came.
    #[must_use]
    pub fn concealed_share(&self) -> Option<f64> {
        let played = self.arrived + self.missing;
        (played > 0).then(|| (self.late + self.missing) as f64 / played as f64)
    }

    /// A packet came. Returns how many were skipped before it, and the silence that it ended, if that was a gap.
    pub fn hear(&mut self, packet: Packet) -> (u64, Option<Gap>) {
        self.arrived += 1;
        self.judge_time(packet);
        let Some(newest) = self.newest else {
            (self.newest, self.heard_at) = (Some(packet), Some(packet.at));
            return (0, None);
        };
        let step = packet.sequence_number.abs_diff(newest.sequence_number);
        if packet.sequence_number <= newest.sequence_number && step < JUMP {
            self.reordered += 1;
            self.missing = self.missing.saturating_sub(1);
            self.heard_at = Some(packet.at);
            return (0, None);
        }
        let skipped = if step < JUMP { step - 1 } else { 0 };
        self.missing += skipped;
        let gap = self.silence_before(packet, newest, skipped);
        (self.newest, self.heard_at) = (Some(packet), Some(packet.at));
        (skipped, gap)
    }

    /// The call is over at `at`, and audio was still due: the silence since the last packet, if that was a gap.
    pub fn end(&mut self, at: Instant) -> Option<Gap> {
        let began = self.heard_at?;
        self.gap(began, at.saturating_duration_since(began))
    }

    fn silence_before(&mut self, packet: Packet, newest: Packet, skipped: u64) -> Option<Gap> {
        let began = self.heard_at.unwrap_or(newest.at);
        let silence = packet.at.saturating_duration_since(began);
        // A pause that the sender made on purpose is in its timestamps, and nothing was skipped.
        let on_purpose = skipped == 0 && self.pauses == Pauses::OnPurpose;
        let pause_s = if on_purpose { seconds_between(newest, packet) - FRAME_S } else { 0.0 };
        self.gap(began, silence.saturating_sub(Duration::from_secs_f64(pause_s.clamp(0.0, 86_400.0))))
    }

    fn gap(&mut self, began: Instant, length: Duration) -> Option<Gap> {
        self.longest_silence = self.longest_silence.max(length);
        (length >= GAP_FROM).then_some(Gap { began, length })
    }

    fn judge_time(&mut self, packet: Packet) {
        let epoch = *self.epoch.get_or_insert(packet.at);
        let now_s = packet.at.saturating_duration_since(epoch).as_secs_f64();
        let transit_s = now_s - packet.rtp_timestamp as f64 / CLOCK_RATE;
        if let Some(last_s) = self.last_transit_s {
            let difference_s = (transit_s - last_s).abs();
            // A clock that began anew is no jitter.
            if difference_s < 5.0 {
                self.jitter_s += (difference_s - self.jitter_s) / 16.0;
            } else {
                self.floor = Floor::default();
            }
        }
        self.last_transit_s = Some(transit_s);
        if transit_s > self.floor.of_late(transit_s, packet.at) + self.buffer_s {
            self.late += 1;
        }
    }
}

fn seconds_between(earlier: Packet, later: Packet) -> f64 {
    later.rtp_timestamp.saturating_sub(earlier.rtp_timestamp) as f64 / CLOCK_RATE
}

/// The least of the last two to four seconds.
#[derive(Debug, Default)]
pub struct Floor {
    began: Option<Instant>,
    before: Option<f64>,
    present: Option<f64>,
}

impl Floor {
    /// Takes a value, and returns the least of late, it included.
    pub fn of_late(&mut self, value: f64, at: Instant) -> f64 {
        let began = *self.began.get_or_insert(at);
        if at.saturating_duration_since(began) >= STRETCH {
            self.before = self.present.take();
            self.began = Some(at);
        }
        let present = self.present.map_or(value, |least| least.min(value));
        self.present = Some(present);
        self.before.map_or(present, |before| before.min(present))
    }
}
