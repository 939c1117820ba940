//! SCTP packets as bytes ([RFC 9260 section 3](https://www.rfc-editor.org/rfc/rfc9260#section-3)), for the little that is
//! done with them beside `sctp-proto`.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Source Port          |       Destination Port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Verification Tag                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Checksum: CRC32c, least significant byte first           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    one or more chunks ...                     |
//! ```

use bytes::Bytes;
use crc::{Crc, CRC_32_ISCSI};

pub(super) const DATA: u8 = 0;
pub(super) const SACK: u8 = 3;
/// A chunk without content: type 6, no flags, its own length.
const ABORT: [u8; 4] = [6, 0, 0, 4];

/// Ports and verification tag.
pub(super) type Header = [u8; 8];

const COMMON_HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 4;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The packet that ends an association (RFC 9260 section 3.3.7).
pub(super) fn abort(header: Header) -> Bytes {
    sealed(header, &ABORT)
}

/// Ports and verification tag of a packet.
pub(super) fn header(packet: &[u8]) -> Option<Header> {
    packet.first_chunk().copied()
}

/// The same chunks in packets of at most `limit_bytes`. None if one of them alone is longer.
pub(super) fn split(packet: &[u8], limit_bytes: usize) -> Option<Vec<Bytes>> {
    let header = header(packet)?;
    let mut packets = Vec::new();
    let mut body = Vec::new();
    for (_, chunk) in chunks(packet) {
        let padded_bytes = chunk.len().next_multiple_of(4);
        if COMMON_HEADER_BYTES + padded_bytes > limit_bytes {
            return None;
        }
        if COMMON_HEADER_BYTES + body.len() + padded_bytes > limit_bytes {
            packets.push(sealed(header, &body));
            body.clear();
        }
        body.extend_from_slice(chunk);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    packets.push(sealed(header, &body));
    Some(packets)
}

fn sealed(header: Header, chunks: &[u8]) -> Bytes {
    let mut packet = [&header[..], &[0; 4], chunks].concat();
    let checksum = CHECKSUM.checksum(&packet);
    packet[header.len()..COMMON_HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    packet.into()
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
pub(super) fn chunks(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
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
