//! Routing ufrags: the ICE username fragment says which transceiver a check is for, to whoever holds the keys.
//!
//! ```text
//! 0               2                               6                                12              16
//! +---------------+-------------------------------+--------------------------------+---------------+
//! | cluster id 16 |      transceiver id 32        |       session nonce 48         | zero check 32 |
//! +---------------+-------------------------------+--------------------------------+---------------+
//!        AES-128, one block; then base64 without padding: config id + 22 characters = 23 ice-chars
//! ```
//!
//! The keys derived from each 32-byte secret come from Python (`wire.ufrag`), which owns HKDF and key files. Call ids
//! belong to signalling and stay in Python.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::Aes128;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::drop_reason::DropReason;

/// Characters of a ufrag.
pub const UFRAG_CHARS: usize = 23;
/// Characters of a derived ICE password.
pub const PASSWORD_CHARS: usize = 24;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Six bits of an ice-char; 0xFF for any other byte.
const VALUE_OF_CHAR: [u8; 256] = value_of_char();
const BLOCK_BYTES: usize = 16;

/// Where a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteToken {
    /// 16 bits.
    pub cluster_id: u16,
    /// 32 bits.
    pub transceiver_id: u32,
    /// 48 bits, new for each ufrag.
    pub nonce: u64,
}

/// One key configuration: what HKDF made of its secret, set up once. Running it changes nothing, so threads share it.
struct KeyCipher {
    cipher: Aes128,
    /// HMAC-SHA256 with both pads already absorbed.
    password_mac: Hmac<Sha256>,
}

/// The route keys of a relay. Config ids are ice-chars, so there is one slot per six-bit value.
pub struct KeyRing {
    keys: Box<[Option<KeyCipher>]>,
}

impl Default for KeyRing {
    fn default() -> Self {
        Self { keys: (0..64).map(|_| None).collect() }
    }
}

impl KeyRing {
    /// Accepts one more configuration; false if the id is no ice-char. An id that is already held is replaced.
    #[must_use]
    pub fn insert(&mut self, config_id: u8, block_key: &[u8; 16], password_key: &[u8; 32]) -> bool {
        let Some(slot) = self.keys.get_mut(usize::from(VALUE_OF_CHAR[usize::from(config_id)])) else { return false };
        // HMAC takes a key of any length.
        let Ok(password_mac) = Hmac::new_from_slice(password_key) else { return false };
        *slot = Some(KeyCipher { cipher: Aes128::new(&Array(*block_key)), password_mac });
        true
    }

    /// The token of a ufrag minted with any key held.
    ///
    /// Errors, in this order: [`DropReason::MalformedUfrag`] (not 23 ice-chars in their one spelling),
    /// [`DropReason::UnknownKey`], [`DropReason::ForgedUfrag`] (the check is not zero).
    pub fn decode_ufrag(&self, ufrag: &[u8]) -> Result<RouteToken, DropReason> {
        let (config_value, mut block) = decode_characters(ufrag).ok_or(DropReason::MalformedUfrag)?;
        let key = self.keys[config_value].as_ref().ok_or(DropReason::UnknownKey)?;
        key.cipher.decrypt_block((&mut block).into());
        RouteToken::from_block(&block).ok_or(DropReason::ForgedUfrag)
    }

    /// The ICE password that goes with a ufrag; None when its config id is not held. The ufrag itself is not checked.
    #[must_use]
    pub fn ice_pwd(&self, ufrag: &[u8]) -> Option<[u8; PASSWORD_CHARS]> {
        let mut mac = self.key(*ufrag.first()?)?.password_mac.clone();
        mac.update(ufrag);
        Some(base64(&mac.finalize().into_bytes()[..18]))
    }

    /// The ufrag of a token under one of the keys; None when it is not held. Load generators mint, relays never do.
    #[must_use]
    pub fn mint_ufrag(&self, config_id: u8, token: &RouteToken) -> Option<[u8; UFRAG_CHARS]> {
        let mut block = token.to_block();
        self.key(config_id)?.cipher.encrypt_block((&mut block).into());
        let mut padded = [0; BLOCK_BYTES + 2];
        padded[..BLOCK_BYTES].copy_from_slice(&block);
        let mut ufrag = [config_id; UFRAG_CHARS];
        ufrag[1..].copy_from_slice(&base64::<24>(&padded)[..22]);
        Some(ufrag)
    }

    fn key(&self, config_id: u8) -> Option<&KeyCipher> {
        self.keys.get(usize::from(VALUE_OF_CHAR[usize::from(config_id)]))?.as_ref()
    }
}

impl RouteToken {
    fn from_block(block: &[u8; BLOCK_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        let short = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
        (word(12) == 0).then(|| Self {
            cluster_id: short(0),
            transceiver_id: word(2),
            nonce: u64::from(short(6)) << 32 | u64::from(word(8)),
        })
    }

    fn to_block(self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..2].copy_from_slice(&self.cluster_id.to_be_bytes());
        block[2..6].copy_from_slice(&self.transceiver_id.to_be_bytes());
        block[6..12].copy_from_slice(&self.nonce.to_be_bytes()[2..]);
        block
    }
}

/// The config id's value and the 16 bytes of the block, if a ufrag is 23 ice-chars of which the last ends in zero bits.
fn decode_characters(ufrag: &[u8]) -> Option<(usize, [u8; BLOCK_BYTES])> {
    let ufrag: &[u8; UFRAG_CHARS] = ufrag.try_into().ok()?;
    let values = ufrag.map(|byte| VALUE_OF_CHAR[usize::from(byte)]);
    // No ice-char has a value with one of the top two bits.
    if values.iter().fold(0, |all, value| all | value) >= 64 || values[22] & 0x0F != 0 {
        return None;
    }
    let mut block = [0; BLOCK_BYTES];
    for (bytes, group) in block.chunks_mut(3).zip(values[1..].chunks(4)) {
        let bits = group.iter().fold(0_u32, |bits, &value| bits << 6 | u32::from(value)) << (6 * (4 - group.len()));
        bytes.copy_from_slice(&bits.to_be_bytes()[1..=bytes.len()]);
    }
    Some((usize::from(values[0]), block))
}

/// Base64 of three quarters of N bytes, without padding.
fn base64<const N: usize>(data: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    for (characters, bytes) in text.chunks_exact_mut(4).zip(data.chunks_exact(3)) {
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for (place, character) in characters.iter_mut().rev().enumerate() {
            *character = ALPHABET[(bits >> (6 * place) & 63) as usize];
        }
    }
    text
}

const fn value_of_char() -> [u8; 256] {
    let mut values = [0xFF; 256];
    let mut value: u8 = 0;
    while value < 64 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}
