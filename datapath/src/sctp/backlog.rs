//! A bound on the pieces a peer leaves in the reassembly queues.
//!
//! The receive window bounds their bytes, not their number, and `sctp-proto` looks at every piece of a message for each
//! new one: a message in one-byte fragments costs seconds of CPU (measured: 12 s for 55 000 of them). Honest peers fill
//! their packets and never come near the bound.

/// Most DATA chunks that may wait. A window of 1 MiB in full packets is 936.
const MAX_CHUNKS: usize = 2048;

const COMMON_HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 4;
const DATA: u8 = 0;
const SACK: u8 = 3;
/// Offset of the advertised receiver window credit in a SACK chunk (RFC 9260 section 3.3.4).
const SACK_WINDOW_OFFSET: usize = 8;

/// Counts DATA chunks in, minus those handed over. Duplicates and abandoned messages are counted in and never out; each
/// SACK that offers the whole window proves that nothing waits and sets the count right.
pub(super) struct Backlog {
    chunks: usize,
    window_bytes: u32,
}

impl Backlog {
    pub(super) fn new(window_bytes: u32) -> Self {
        Self { chunks: 0, window_bytes }
    }

    /// Takes note of a packet from the peer. False: it would exceed the bound.
    pub(super) fn received(&mut self, packet: &[u8]) -> bool {
        self.chunks += chunks(packet).filter(|(kind, _)| *kind == DATA).count();
        self.chunks <= MAX_CHUNKS
    }

    /// Takes note of a message that was handed over.
    pub(super) fn delivered(&mut self, chunks: usize) {
        self.chunks = self.chunks.saturating_sub(chunks);
    }

    /// Takes note of a packet to the peer.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        let windows = chunks(packet).filter(|(kind, _)| *kind == SACK).filter_map(|(_, chunk)| {
            let field = chunk.get(SACK_WINDOW_OFFSET..SACK_WINDOW_OFFSET + 4)?;
            field.try_into().ok().map(u32::from_be_bytes)
        });
        if windows.last() == Some(self.window_bytes) {
            self.chunks = 0;
        }
    }
}

/// The chunks of a packet as (type, bytes), up to the first whose length makes no sense.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Chunk Type  |  Chunk Flags  |  Length, header included      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \      Value, padded to a multiple of four that Length omits    /
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
fn chunks(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = packet.get(COMMON_HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<CHUNK_HEADER_BYTES>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if length < CHUNK_HEADER_BYTES {
            return None;
        }
        let chunk = rest.get(..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header[0], chunk))
    })
}
