//! The number that a payload carries to the server and back, in the padding of an Opus packet.
//!
//! ```text
//!  0        1        2        3                4+n               8+n
//! +--------+--------+--------+-- - - - - - - -+-----------------+-----------------+
//! | TOC    | 0x41   | 8      | frame, n bytes | mark of the run | number          |
//! +--------+--------+--------+-- - - - - - - -+-----------------+-----------------+
//!            1 frame, and that many bytes of padding
//! ```
//!
//! A packet of code 3 (RFC 6716 section 3.2.5). Decoders accept any padding and hear the frame; who forwards Opus untouched
//! reads no further than the TOC.

/// Length of a payload without speech: 64 kbit/s, which with RTP header and SRTP tag makes a packet of about 190 bytes.
pub const PAYLOAD_BYTES: usize = 160;

/// One frame of CELT, full band, 20 ms, mono.
const FILLER_TOC: u8 = 0xF8;
const CODE_3: u8 = 0b11;
/// Constant bit rate, padded, one frame.
const FRAME_COUNT: u8 = 0x41;
const STAMP_BYTES: u8 = 8;
const HEADER_BYTES: usize = 3;
const FILLER: [u8; PAYLOAD_BYTES - HEADER_BYTES - STAMP_BYTES as usize + 1] = {
    let mut packet = [0x55; PAYLOAD_BYTES - HEADER_BYTES - STAMP_BYTES as usize + 1];
    packet[0] = FILLER_TOC;
    packet
};

/// A payload of this number, made of a packet with one frame (code 0), or of a filler that nobody is to hear.
#[must_use]
pub fn stamped(mark: u32, number: u32, packet: Option<&[u8]>) -> Vec<u8> {
    let (toc, frame) = packet.unwrap_or(&FILLER).split_first().expect("a packet has a TOC");
    let mut payload = Vec::with_capacity(HEADER_BYTES + frame.len() + STAMP_BYTES as usize);
    payload.extend_from_slice(&[toc | CODE_3, FRAME_COUNT, STAMP_BYTES]);
    payload.extend_from_slice(frame);
    payload.extend_from_slice(&mark.to_be_bytes());
    payload.extend_from_slice(&number.to_be_bytes());
    payload
}

/// The number, or None of a payload that is not an echo of this run.
#[must_use]
pub fn number(mark: u32, payload: &[u8]) -> Option<u32> {
    let (header, rest) = payload.split_at_checked(HEADER_BYTES)?;
    if header[0] & CODE_3 != CODE_3 || header[1..] != [FRAME_COUNT, STAMP_BYTES] {
        return None;
    }
    let (_, stamp) = rest.split_at_checked(rest.len().checked_sub(STAMP_BYTES as usize)?)?;
    let (marked, number) = stamp.split_at(4);
    (marked == mark.to_be_bytes()).then(|| u32::from_be_bytes(number.try_into().expect("four bytes")))
}
