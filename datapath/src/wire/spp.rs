//! Simple Proxy Protocol: the header in front of every datagram between relay and transceiver, in both directions.
//!
//! ```text
//! 0        2                       18                      34            36           38
//! +--------+-----------------------+-----------------------+-------------+------------+---------------
//! | 0x56EC | client address        | proxy address         | client port | proxy port | the datagram ...
//! +--------+-----------------------+-----------------------+-------------+------------+---------------
//! ```

use super::drop_reason::DropReason;
use super::endpoint::Endpoint;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 38;

const MAGIC: [u8; 2] = 0x56EC_u16.to_be_bytes();

/// The two ends of a client's flow. Also the key under which the flow is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SppHeader {
    /// The far end, as the relay saw it.
    pub client: Endpoint,
    /// The relay's public address that the client talks to.
    pub proxy: Endpoint,
}

impl SppHeader {
    /// Writes the header.
    pub fn write(&self, header: &mut [u8; HEADER_BYTES]) {
        header[..2].copy_from_slice(&MAGIC);
        header[2..18].copy_from_slice(&self.client.host);
        header[18..34].copy_from_slice(&self.proxy.host);
        header[34..36].copy_from_slice(&self.client.port.to_be_bytes());
        header[36..].copy_from_slice(&self.proxy.port.to_be_bytes());
    }

    /// Reads the header in front of a datagram and returns it with what follows, which may be empty.
    ///
    /// [`DropReason::MalformedSpp`] when there is less than a header or no magic.
    pub fn read(datagram: &[u8]) -> Result<(Self, &[u8]), DropReason> {
        let (header, rest) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or(DropReason::MalformedSpp)?;
        if header[..2] != MAGIC {
            return Err(DropReason::MalformedSpp);
        }
        let endpoint = |host: usize, port: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&header[host..host + 16]);
            Endpoint { host: bytes, port: u16::from_be_bytes([header[port], header[port + 1]]) }
        };
        Ok((Self { client: endpoint(2, 34), proxy: endpoint(18, 36) }, rest))
    }
}
