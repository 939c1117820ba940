//! What the port does by itself with one session's RTP: it notes arrivals, and passes audio that comes in order.
//!
//! A session opens the lane where its stream stands. From then on each packet that is the next one of that stream is passed
//! as a finished frame. The first that is anything else closes the lane and goes to the session, which asks what has
//! passed, judges the packet, and opens the lane again. `transceiver/media_port/lane.py` is what this agrees with.

// The wire has the low bits of numbers that count on.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use super::arrivals::Arrivals;
use super::core::PathId;
use super::rtp::RtpPacket;
use crate::audio::Codec;

const HALF_TIMESTAMP_RANGE: i64 = 1 << 31;
const TIMESTAMP_RANGE: i64 = 1 << 32;
const JITTER_GAIN: f64 = 1.0 / 16.0;

/// Of what a lane is made that passes audio.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Passed along.
    pub codec: Codec,
    /// Of its timestamps, in Hz.
    pub clock_rate: u32,
    /// Of its packets.
    pub payload_type: u8,
    /// Header extension with the level of RFC 6464.
    pub level_id: Option<u8>,
    /// Of its packets.
    pub ssrc: u32,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Sequence number of the next packet, with its wraps.
    pub next_sequence: i64,
    /// Timestamp of the last frame as it was passed on.
    pub rtp_timestamp: i64,
    /// The same as it was on the wire.
    pub wire_timestamp: u32,
    /// Interarrival jitter ([RFC 3550 §6.4.1](https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1)), in clock units.
    pub jitter: f64,
    /// The last packet's arrival less its timestamp, in clock units; None if no packet has told it.
    pub transit: Option<f64>,
}

/// What has passed since it was asked for last.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Packets.
    pub packets: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// When the last one came.
    pub last_arrival: f64,
    /// Where the stream stands now.
    pub position: Position,
}

/// A packet that was the next one.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The codec's, untouched.
    pub payload: &'a [u8],
    /// As the stream's.
    pub codec: Codec,
    /// Unwrapped, counted from the stream's first frame.
    pub rtp_timestamp: i64,
    /// With its wraps.
    pub sequence: i64,
    /// RTP's marker.
    pub marker: bool,
    /// Audio level of RFC 6464 in -dBov.
    pub level_dbov: Option<u8>,
}

struct Open {
    path: PathId,
    stream: Stream,
}

/// How arrivals are reported.
#[derive(Clone, Debug)]
pub struct Reports {
    /// Header extension with the transport-wide sequence number.
    pub extension_id: u8,
    /// Ours.
    pub sender_ssrc: u32,
    /// RTCP that goes before each feedback packet in the same datagram.
    pub prefix: Vec<u8>,
}

/// See the module.
#[derive(Default)]
pub struct Lane {
    open: Option<Open>,
    progress: Option<Progress>,
    reports: Option<Reports>,
    arrivals: Arrivals,
    media_ssrc: u32,
}

impl Lane {
    /// Passes the packets of `stream` that come on `path` from `position` on.
    pub fn open(&mut self, path: PathId, stream: Stream, position: Position) {
        self.open = Some(Open { path, stream });
        self.progress = Some(Progress { packets: 0, payload_bytes: 0, last_arrival: 0.0, position });
    }

    /// Passes nothing until it is opened again.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// What has passed since this was asked last; None if nothing has.
    pub fn take_progress(&mut self) -> Option<Progress> {
        let progress = self.progress.as_mut().filter(|progress| progress.packets > 0)?;
        let taken = *progress;
        (progress.packets, progress.payload_bytes) = (0, 0);
        Some(taken)
    }

    /// From now on arrivals are reported so; None: not.
    pub fn report_arrivals(&mut self, reports: Option<Reports>) {
        self.reports = reports;
    }

    /// Notes when an authentic packet has come.
    pub fn arrived(&mut self, packet: &RtpPacket<'_>, now: f64) {
        let Some(reports) = &self.reports else { return };
        let number = packet.extensions.clone().find(|&(id, _)| id == reports.extension_id);
        if let Some((_, &[high, low])) = number {
            self.arrivals.received(u16::from_be_bytes([high, low]), now);
            self.media_ssrc = packet.ssrc;
        }
    }

    /// Appends the RTCP packet to `out` that is due; false if none is.
    pub fn feedback(&mut self, out: &mut Vec<u8>, now: f64) -> bool {
        let Some(reports) = &self.reports else { return false };
        let start = out.len();
        out.extend_from_slice(&reports.prefix);
        let due = self.arrivals.feedback(out, reports.sender_ssrc, self.media_ssrc, now);
        if !due {
            out.truncate(start);
        }
        due
    }

    /// The frame of a packet that is the next one of the stream; any other closes the lane.
    pub fn pass<'a>(&mut self, path: PathId, packet: &RtpPacket<'a>, now: f64) -> Option<Frame<'a>> {
        let (Open { path: own, stream }, progress) = (self.open.as_ref()?, self.progress.as_mut()?);
        let position = &mut progress.position;
        let is_next = path == *own
            && packet.ssrc == stream.ssrc
            && packet.payload_type == stream.payload_type
            && packet.sequence == position.next_sequence as u16;
        if !is_next {
            self.open = None;
            return None;
        }
        let elapsed = i64::from(packet.timestamp) - i64::from(position.wire_timestamp) + HALF_TIMESTAMP_RANGE;
        // A timestamp may stand still (several packets of one frame); one that goes backwards is a sender's mistake.
        position.rtp_timestamp += (elapsed.rem_euclid(TIMESTAMP_RANGE) - HALF_TIMESTAMP_RANGE).max(0);
        position.wire_timestamp = packet.timestamp;
        position.note_transit(now * f64::from(stream.clock_rate) - f64::from(packet.timestamp));
        let sequence = position.next_sequence;
        position.next_sequence += 1;
        progress.packets += 1;
        progress.payload_bytes += packet.payload.len() as u64;
        progress.last_arrival = now;
        let level = stream.level_id.and_then(|own| packet.extensions.clone().find(|&(id, _)| id == own));
        Some(Frame {
            payload: packet.payload,
            codec: stream.codec,
            rtp_timestamp: progress.position.rtp_timestamp,
            sequence,
            marker: packet.marker,
            level_dbov: level.and_then(|(_, data)| data.first()).map(|level| level & 0x7F),
        })
    }
}

impl Position {
    /// As in [RFC 3550 appendix A.8](https://www.rfc-editor.org/rfc/rfc3550#appendix-A.8), with fractions.
    #[allow(clippy::cast_precision_loss)] // powers of two
    fn note_transit(&mut self, transit: f64) {
        if let Some(before) = self.transit {
            let mut deviation = (transit - before).abs();
            let half = HALF_TIMESTAMP_RANGE as f64;
            if deviation >= half {
                // Modulo the timestamp's range: the difference of two transits is small, whatever has wrapped.
                deviation = ((transit - before + half).rem_euclid(TIMESTAMP_RANGE as f64) - half).abs();
            }
            self.jitter += (deviation - self.jitter) * JITTER_GAIN;
        }
        self.transit = Some(transit);
    }
}
