//! Session keys out of a master key: [RFC 3711 §4.3](https://www.rfc-editor.org/rfc/rfc3711#section-4.3).
//!
//! A key is the keystream of AES in counter mode under the master key, begun at `master salt XOR (label << 48)`, as
//! the key derivation rate is zero. A 96-bit salt is padded with zeros to the 112 bits that this wants
//! ([RFC 7714 §11](https://www.rfc-editor.org/rfc/rfc7714#section-11)).
//!
//! ```text
//!  0                                   7     8                13 14   15
//! +-------------------------------------+-------+---------------+-------+
//! | master salt                         | label | ... salt      | block |
//! |                                     |  XOR  |               | count |
//! +-------------------------------------+-------+---------------+-------+
//! ```

use aws_lc_rs::cipher::{EncryptingKey, EncryptionContext, UnboundCipherKey, AES_128, AES_256};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::{BadKey, Profile};

/// What a derived key is for. SRTCP's are three above SRTP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Label {
    /// SRTP encryption.
    RtpKey = 0,
    /// SRTP authentication.
    RtpAuthentication = 1,
    /// SRTP salt.
    RtpSalt = 2,
    /// SRTCP encryption.
    RtcpKey = 3,
    /// SRTCP authentication.
    RtcpAuthentication = 4,
    /// SRTCP salt.
    RtcpSalt = 5,
}

const LABEL_AT: usize = 7;

/// A master key, from which session keys are derived.
pub struct MasterKey {
    key: EncryptingKey,
    salt: Zeroizing<[u8; 16]>,
}

impl MasterKey {
    /// Takes the master key followed by the master salt, as DTLS-SRTP exports them. Errors if the length is wrong.
    pub fn new(profile: Profile, key_and_salt: &[u8]) -> Result<Self, BadKey> {
        let (key, salt) = key_and_salt.split_at_checked(profile.key_bytes()).ok_or(BadKey)?;
        if salt.len() != profile.salt_bytes() {
            return Err(BadKey);
        }
        let mut block = Zeroizing::new([0; 16]);
        block[..salt.len()].copy_from_slice(salt);
        Ok(Self { key: counter_mode_key(key)?, salt: block })
    }

    /// Derives one key. Errors if the library fails.
    pub fn derive<const N: usize>(&self, label: Label) -> Result<Zeroizing<[u8; N]>, BadKey> {
        let mut derived = Zeroizing::new([0; N]);
        self.fill(label, &mut derived[..])?;
        Ok(derived)
    }

    /// Derives a key of any length.
    pub fn fill(&self, label: Label, derived: &mut [u8]) -> Result<(), BadKey> {
        let mut start = *self.salt;
        start[LABEL_AT] ^= label as u8;
        derived.fill(0);
        apply_keystream(&self.key, &start, derived)
    }
}

/// A key for [`apply_keystream`]: 16 or 32 bytes.
pub fn counter_mode_key(key: &[u8]) -> Result<EncryptingKey, BadKey> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| BadKey)?;
    EncryptingKey::ctr(key).map_err(|_| BadKey)
}

/// AES in counter mode ([RFC 3711 §4.1.1](https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1)): encrypts and decrypts.
pub fn apply_keystream(key: &EncryptingKey, start: &[u8; 16], data: &mut [u8]) -> Result<(), BadKey> {
    let start = EncryptionContext::Iv128(FixedLength::from(start));
    key.less_safe_encrypt(data, start).map(|_| ()).map_err(|_| BadKey)
}
