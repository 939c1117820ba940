//! RTP packets and their header extensions.
//!
//! [RFC 3550 §5.1](https://www.rfc-editor.org/rfc/rfc3550#section-5.1):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |                     CSRC (0 to 15 of them)                    |
//! |     extension profile         |    length in 32-bit words     |  if X
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::drop_reason::DropReason;

/// Bytes of the fixed header.
pub const HEADER_BYTES: usize = 12;

const EXTENSION_HEADER_BYTES: usize = 4;
const ONE_BYTE_PROFILE: u16 = 0xBEDE;
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Sequence number of a packet of at least [`HEADER_BYTES`].
#[must_use]
pub fn sequence(packet: &[u8]) -> u16 {
    u16_at(packet, 2)
}

/// SSRC of a packet of at least [`HEADER_BYTES`].
#[must_use]
pub fn ssrc(packet: &[u8]) -> u32 {
    u32_at(packet, 8)
}

/// Length of header, CSRCs and extension; None if the packet is shorter.
#[must_use]
pub fn header_bytes(packet: &[u8]) -> Option<usize> {
    let mut bytes = HEADER_BYTES + 4 * usize::from(packet.first()? & 0x0F);
    if packet[0] & 0x10 != 0 {
        if packet.len() < bytes + EXTENSION_HEADER_BYTES {
            return None;
        }
        bytes += EXTENSION_HEADER_BYTES + 4 * usize::from(u16_at(packet, bytes + 2));
    }
    (packet.len() >= bytes).then_some(bytes)
}

/// One packet, its payload without padding.
#[derive(Clone, Debug)]
pub struct RtpPacket<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The codec's bytes.
    pub payload: &'a [u8],
    /// Elements of the header extension.
    pub extensions: Extensions<'a>,
}

impl<'a> RtpPacket<'a> {
    /// Reads a packet that demultiplexing has called RTP.
    ///
    /// [`DropReason::MalformedRtp`] if it does not fit its own lengths.
    pub fn read(packet: &'a [u8]) -> Result<Self, DropReason> {
        let malformed = DropReason::MalformedRtp;
        if packet.len() < HEADER_BYTES || packet[0] >> 6 != 2 {
            return Err(malformed);
        }
        let start = header_bytes(packet).ok_or(malformed)?;
        let mut end = packet.len();
        if packet[0] & 0x20 != 0 {
            let padding = usize::from(packet[end - 1]);
            if padding == 0 {
                return Err(malformed);
            }
            end = end.checked_sub(padding).ok_or(malformed)?;
        }
        let payload = packet.get(start..end).ok_or(malformed)?;
        let extensions = if packet[0] & 0x10 == 0 {
            Extensions::NONE
        } else {
            let at = HEADER_BYTES + 4 * usize::from(packet[0] & 0x0F);
            Extensions::new(u16_at(packet, at), &packet[at + EXTENSION_HEADER_BYTES..start])
        };
        Ok(Self {
            payload_type: packet[1] & 0x7F,
            marker: packet[1] & 0x80 != 0,
            sequence: sequence(packet),
            timestamp: u32_at(packet, 4),
            ssrc: ssrc(packet),
            payload,
            extensions,
        })
    }
}

/// Elements of a header extension as (id, data), in either form of
/// [RFC 8285 §4](https://www.rfc-editor.org/rfc/rfc8285#section-4).
///
/// ```text
/// 0xBEDE: | id 4 bit | length - 1 4 bit | data |     0x100X: | id 8 bit | length 8 bit | data |     id 0 is padding
/// ```
///
/// What follows a broken element is ignored: an extension may always be.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    one_byte: bool,
}

impl<'a> Extensions<'a> {
    const NONE: Self = Self { rest: &[], one_byte: true };

    fn new(profile: u16, body: &'a [u8]) -> Self {
        match profile {
            ONE_BYTE_PROFILE => Self { rest: body, one_byte: true },
            _ if profile & 0xFFF0 == TWO_BYTE_PROFILE => Self { rest: body, one_byte: false },
            _ => Self::NONE,
        }
    }

    /// Id, length of the data, and what follows them.
    fn element(&self, first: u8, rest: &'a [u8]) -> Option<(u8, usize, &'a [u8])> {
        if self.one_byte {
            // 15 says stop (section 4.2).
            return (first >> 4 != 15).then_some((first >> 4, usize::from(first & 0x0F) + 1, rest));
        }
        let (&length, rest) = rest.split_first()?;
        Some((first, usize::from(length), rest))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((&first, rest)) = self.rest.split_first() {
            self.rest = rest;
            if first == 0 {
                continue;
            }
            let element = self.element(first, rest);
            let Some((id, data, rest)) = element
                .and_then(|(id, length, rest)| rest.split_at_checked(length).map(|(data, rest)| (id, data, rest)))
            else {
                self.rest = &[];
                break;
            };
            self.rest = rest;
            if id != 0 {
                return Some((id, data));
            }
        }
        None
    }
}

fn u16_at(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

fn u32_at(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}
