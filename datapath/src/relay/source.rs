//! Who counts as one sender, and how many flows each has.

use super::keyed_hash::{place, KeyedHash};
use crate::wire::endpoint::Endpoint;

/// Bits of a host before its IPv4 address.
const IPV4_OFFSET: u8 = 96;
/// Fewest and most counters of [`SourceFlows`].
const COUNTERS: (usize, usize) = (4096, 1 << 20);

/// Takes addresses to the prefixes that limits apply to.
#[derive(Clone, Copy, Debug)]
pub struct SourcePrefix {
    ipv4_mask: u128,
    ipv6_mask: u128,
}

impl SourcePrefix {
    /// Prefix lengths, of at most 32 and 128 bits.
    #[must_use]
    pub fn new(ipv4_bits: u8, ipv6_bits: u8) -> Self {
        let mask = |bits: u8| !u128::MAX.checked_shr(bits.into()).unwrap_or(0);
        Self { ipv4_mask: mask(IPV4_OFFSET + ipv4_bits.min(32)), ipv6_mask: mask(ipv6_bits) }
    }

    /// The client's host, of which the prefix is left.
    #[must_use]
    pub fn of(&self, client: &Endpoint) -> [u8; 16] {
        let mask = if client.is_ipv4() { self.ipv4_mask } else { self.ipv6_mask };
        (u128::from_be_bytes(client.host) & mask).to_be_bytes()
    }
}

/// How many flows each source has.
///
/// A counter for each of as many hashes as a table has flows, so memory is fixed. Sources that share one are counted
/// together; with the default limit at most 24 of 100,000 counters are at it, so of 4,000 bystanders one is refused.
pub struct SourceFlows {
    counts: Box<[u32]>,
    hash: KeyedHash,
    prefix: SourcePrefix,
    most: u32,
}

impl SourceFlows {
    /// For a table of so many flows; a source at `most` has enough.
    #[must_use]
    pub fn new(max_flows: usize, prefix: SourcePrefix, most: u32) -> Self {
        let counters = max_flows.clamp(COUNTERS.0, COUNTERS.1);
        Self { counts: vec![0; counters].into_boxed_slice(), hash: KeyedHash::new(), prefix, most }
    }

    /// Whether the client's source has enough.
    #[must_use]
    pub fn at_limit(&self, client: &Endpoint) -> bool {
        self.counts[self.place(client)] >= self.most
    }

    /// A flow of the client is held from now on.
    pub fn add(&mut self, client: &Endpoint) {
        self.counts[self.place(client)] += 1;
    }

    /// A flow of the client is gone.
    pub fn remove(&mut self, client: &Endpoint) {
        self.counts[self.place(client)] -= 1;
    }

    fn place(&self, client: &Endpoint) -> usize {
        place(self.hash.of(self.prefix.of(client), 0), self.counts.len())
    }
}
