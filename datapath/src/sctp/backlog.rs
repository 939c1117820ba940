//! A bound on the pieces a peer leaves in the reassembly queues.
//!
//! The receive window bounds their bytes, not their number, and `sctp-proto` looks at every piece of a message for each
//! new one: a message in one-byte fragments costs seconds of CPU (measured: 12 s for 55 000 of them). Honest peers fill
//! their packets and never come near the bound.

use super::packet::{chunks, DATA, SACK};

/// Most DATA chunks that may wait. A window of 1 MiB in full packets is 936.
const MAX_CHUNKS: usize = 2048;
/// Offset of the advertised receiver window credit in a SACK chunk (RFC 9260 section 3.3.4).
const SACK_WINDOW_OFFSET: usize = 8;

/// Counts DATA chunks in, minus those handed over. Duplicates and abandoned messages are counted in and never out; each
/// SACK that offers the whole window proves that nothing waits and sets the count right.
pub(super) struct Backlog {
    chunks: usize,
    window_bytes: u32,
    /// What the last SACK has offered.
    offered_bytes: u32,
    /// What was handed over since.
    delivered_bytes: usize,
}

impl Backlog {
    pub(super) fn new(window_bytes: u32) -> Self {
        Self { chunks: 0, window_bytes, offered_bytes: window_bytes, delivered_bytes: 0 }
    }

    /// Takes note of a packet from the peer. False: it would exceed the bound, and is not to be taken.
    pub(super) fn received(&mut self, packet: &[u8]) -> bool {
        let more = self.chunks + chunks(packet).filter(|(kind, _)| *kind == DATA).count();
        if more > self.chunks && more > MAX_CHUNKS {
            return false;
        }
        self.chunks = more;
        true
    }

    /// Whether a packet holds a part of a message.
    pub(super) fn brings_data(packet: &[u8]) -> bool {
        chunks(packet).any(|(kind, _)| kind == DATA)
    }

    /// Takes note of a message that was handed over.
    pub(super) fn delivered(&mut self, chunks: usize, bytes: usize) {
        self.chunks = self.chunks.saturating_sub(chunks);
        self.delivered_bytes += bytes;
    }

    /// Whether the peer was last offered less than half of the window, and half of it has become free since.
    pub(super) fn window_has_reopened(&self) -> bool {
        let half = self.window_bytes / 2;
        self.offered_bytes < half && self.delivered_bytes >= half as usize
    }

    /// Takes note of a packet to the peer.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        let windows = chunks(packet).filter(|(kind, _)| *kind == SACK).filter_map(|(_, chunk)| {
            let field = chunk.get(SACK_WINDOW_OFFSET..SACK_WINDOW_OFFSET + 4)?;
            field.try_into().ok().map(u32::from_be_bytes)
        });
        let Some(offered_bytes) = windows.last() else { return };
        self.offered_bytes = offered_bytes;
        self.delivered_bytes = 0;
        if offered_bytes == self.window_bytes {
            self.chunks = 0;
        }
    }
}
