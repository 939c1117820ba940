//! A hash that nobody outside can aim at: clients choose their addresses and ports, or they could choose collisions.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Two folded multiplications, keyed: the construction of aHash's fallback and of wyhash.
pub struct KeyedHash {
    seeds: [u64; 2],
}

impl KeyedHash {
    /// With a key of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { seeds: [RandomState::new().hash_one(0), RandomState::new().hash_one(1)] }
    }

    /// Of 24 bytes.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // A fold takes 128 bits apart.
    pub fn of(&self, host: [u8; 16], rest: u64) -> u64 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            (product as u64) ^ ((product >> 64) as u64)
        };
        let host = u128::from_ne_bytes(host);
        let first = fold((host as u64) ^ self.seeds[0], ((host >> 64) as u64) ^ self.seeds[1]);
        fold(first ^ rest ^ self.seeds[1], self.seeds[0] | 1)
    }
}

impl Default for KeyedHash {
    fn default() -> Self {
        Self::new()
    }
}

/// A hash, scaled to so many places.
#[must_use]
pub fn place(hash: u64, places: usize) -> usize {
    usize::try_from((u128::from(hash) * places as u128) >> 64).unwrap_or(0)
}
