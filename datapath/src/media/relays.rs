//! Who is heard: the relays that have subscribed, and networks that need not.

use std::collections::HashSet;

use crate::wire::endpoint::Endpoint;

/// A network as the IPv6 prefix of its (mapped) addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    prefix: u128,
    mask: u128,
}

impl Network {
    /// `prefix_bits` counts from the start of `host`, which is IPv4-mapped for IPv4: a /24 has 120.
    #[must_use]
    pub fn new(host: [u8; 16], prefix_bits: u32) -> Self {
        let mask = u128::MAX.checked_shl(128 - prefix_bits.min(128)).unwrap_or(0);
        Self { prefix: u128::from_be_bytes(host) & mask, mask }
    }

    /// Whether a host is in it.
    #[must_use]
    pub fn contains(&self, host: &[u8; 16]) -> bool {
        u128::from_be_bytes(*host) & self.mask == self.prefix
    }
}

/// The senders that are heard.
#[derive(Default)]
pub struct Relays {
    addresses: HashSet<Endpoint>,
    networks: Vec<Network>,
    /// Most datagrams come from the same relay as the one before.
    last: Option<Endpoint>,
}

impl Relays {
    /// Replaces them.
    pub fn replace(&mut self, addresses: impl IntoIterator<Item = Endpoint>, networks: Vec<Network>) {
        self.addresses = addresses.into_iter().collect();
        self.networks = networks;
        self.last = None;
    }

    /// Whether `sender` is one of them.
    pub fn include(&mut self, sender: &Endpoint) -> bool {
        if self.last.as_ref() == Some(sender) {
            return true;
        }
        let known =
            self.addresses.contains(sender) || self.networks.iter().any(|network| network.contains(&sender.host));
        if known {
            self.last = Some(*sender);
        }
        known
    }
}
