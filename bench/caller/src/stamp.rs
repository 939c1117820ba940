//! The number that a payload carries to the server and back.
//!
//! ```text
//!  0        1                 5                 9
//! +--------+-----------------+-----------------+----------------
//! | TOC    | mark of the run | number          | filler
//! +--------+-----------------+-----------------+----------------
//! ```
//!
//! TOC is the first byte of an Opus packet (RFC 6716 section 3.1): one frame of CELT, full band, 20 ms, mono. Whoever
//! forwards Opus untouched reads no further.

/// Length of a payload: 64 kbit/s, which with RTP header and SRTP tag makes a packet of about 190 bytes.
pub const PAYLOAD_BYTES: usize = 160;

const TOC: u8 = 0xF8;
const STAMP_BYTES: usize = 9;

/// A payload with this number.
#[must_use]
pub fn stamped(mark: u32, number: u32) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [0x55; PAYLOAD_BYTES];
    payload[0] = TOC;
    payload[1..5].copy_from_slice(&mark.to_be_bytes());
    payload[5..STAMP_BYTES].copy_from_slice(&number.to_be_bytes());
    payload
}

/// The number, or None of a payload that is not an echo of this run.
#[must_use]
pub fn number(mark: u32, payload: &[u8]) -> Option<u32> {
    let fields = payload.get(..STAMP_BYTES)?;
    if fields[0] != TOC || fields[1..5] != mark.to_be_bytes() {
        return None;
    }
    fields[5..].try_into().ok().map(u32::from_be_bytes)
}
