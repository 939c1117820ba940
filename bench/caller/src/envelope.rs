//! What is around a datagram on its way to the server under test.
//!
//! To a transceiver the load speaks Simple Proxy Protocol as a relay does (drawn in `proto/README.md`): the callers'
//! addresses are made up and travel in the header, and all datagrams have one destination.
//!
//! ```text
//! +-------+------------------+------------------+------+-------+----------
//! | 56 EC | client, IPv6 or  | proxy, likewise  | port | port  | payload
//! |       | mapped IPv4 (16) | (16)             | (2)  | (2)   |
//! +-------+------------------+------------------+------+-------+----------
//! ```
//!
//! To any other server it speaks plain UDP, each caller from an address of its own: of the loopback network, or from the
//! one on that the run was given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// Length of the header.
pub const HEADER_BYTES: usize = 38;

const MAGIC: [u8; 2] = [0x56, 0xEC];

/// What the load wraps datagrams in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing: each datagram goes to the candidate that the answer named. Caller 0 has this address, which is of this
    /// machine, as must be those that follow it.
    Plain(Ipv4Addr),
    /// Simple Proxy Protocol, to this address of a transceiver.
    Spp(SocketAddr),
}

impl Envelope {
    /// The address of caller `slot`, the `port` of which all share. Room for a million.
    ///
    /// Addresses of this machine where the kernel has to carry them, private ones where only a header does.
    #[must_use]
    pub fn client(self, slot: u32, port: u16) -> SocketAddr {
        let first = match self {
            Envelope::Plain(first) => first,
            Envelope::Spp(_) => Ipv4Addr::new(10, 80, 0, 1),
        };
        SocketAddrV4::new(Ipv4Addr::from(u32::from(first) + slot), port).into()
    }

    /// The caller whose address this is; None of an address that was never given.
    #[must_use]
    pub fn slot(self, client: SocketAddr) -> Option<u32> {
        let SocketAddr::V4(client) = client else {
            return None;
        };
        let SocketAddr::V4(first) = self.client(0, 0) else {
            return None;
        };
        u32::from(*client.ip()).checked_sub(u32::from(*first.ip()))
    }
}

/// Writes the header in front of what `datagram` will hold.
pub fn encode(datagram: &mut Vec<u8>, client: SocketAddr, proxy: SocketAddr) {
    datagram.extend_from_slice(&MAGIC);
    datagram.extend_from_slice(&mapped(client.ip()).octets());
    datagram.extend_from_slice(&mapped(proxy.ip()).octets());
    datagram.extend_from_slice(&client.port().to_be_bytes());
    datagram.extend_from_slice(&proxy.port().to_be_bytes());
}

/// Client and proxy of a datagram, and its payload; None of one that has no header.
#[must_use]
pub fn decode(datagram: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (header, payload) = datagram.split_at_checked(HEADER_BYTES)?;
    if header[..2] != MAGIC {
        return None;
    }
    let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(&header[at..at + 16]).ok()?));
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let client = SocketAddr::new(address(2)?.to_canonical(), port(34));
    let proxy = SocketAddr::new(address(18)?.to_canonical(), port(36));
    Some((client, proxy, payload))
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
