//! One end of a UDP flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of a packed endpoint: host, then port.
pub const ENDPOINT_BYTES: usize = 18;

/// A numeric host and a port. IPv4 is held IPv4-mapped (`::ffff:a.b.c.d`,
/// [RFC 4291 §2.5.5.2](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2)), so two values are equal exactly when
/// they name the same endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// 16 bytes, in network order.
    pub host: [u8; 16],
    /// 0 to 65535.
    pub port: u16,
}

impl Endpoint {
    /// Reads host and port (big-endian) from their packed form.
    #[must_use]
    pub fn from_packed(packed: &[u8; ENDPOINT_BYTES]) -> Self {
        let mut host = [0; 16];
        host.copy_from_slice(&packed[..16]);
        Self { host, port: u16::from_be_bytes([packed[16], packed[17]]) }
    }

    /// The inverse of [`Endpoint::from_packed`].
    #[must_use]
    pub fn to_packed(self) -> [u8; ENDPOINT_BYTES] {
        let mut packed = [0; ENDPOINT_BYTES];
        packed[..16].copy_from_slice(&self.host);
        packed[16..].copy_from_slice(&self.port.to_be_bytes());
        packed
    }

    /// True for an IPv4-mapped host.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.host[..10] == [0; 10] && self.host[10..12] == [0xFF, 0xFF]
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(host) => host.to_ipv6_mapped().octets(),
            IpAddr::V6(host) => host.octets(),
        };
        Self { host, port: address.port() }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        let host = if endpoint.is_ipv4() {
            IpAddr::V4(Ipv4Addr::new(endpoint.host[12], endpoint.host[13], endpoint.host[14], endpoint.host[15]))
        } else {
            IpAddr::V6(Ipv6Addr::from(endpoint.host))
        };
        SocketAddr::new(host, endpoint.port)
    }
}
