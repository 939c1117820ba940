//! One packet sealed or opened under a given index, in place.
//!
//! SRTP, [RFC 3711 §3.1](https://www.rfc-editor.org/rfc/rfc3711#section-3.1): the header is authenticated, the payload
//! encrypted as well. A GCM tag is part of the payload; an HMAC also covers the rollover counter, which is not sent.
//!
//! ```text
//! +--------------------------------+-------------------------------+-----------+
//! | RTP header, CSRCs, extension   | encrypted payload, padding    | tag       |
//! +--------------------------------+-------------------------------+-----------+
//! ```
//!
//! SRTCP, [RFC 3711 §3.4](https://www.rfc-editor.org/rfc/rfc3711#section-3.4) and
//! [RFC 7714 §9](https://www.rfc-editor.org/rfc/rfc7714#section-9). `E` is 1: the packet is encrypted.
//!
//! ```text
//!           8 bytes                                                16        4
//! GCM      +----------------------+------------------------------+-----+---+-------+
//!          | header, sender SSRC  | encrypted rest               | tag | E | index |
//!          +----------------------+------------------------------+-----+---+-------+
//!           8 bytes                                                4         10
//! CM, HMAC +----------------------+------------------------------+---+-------+-----+
//!          | header, sender SSRC  | encrypted rest               | E | index | tag |
//!          +----------------------+------------------------------+---+-------+-----+
//! ```

// Indices are cut into their 16-bit and 32-bit parts.
#![allow(clippy::cast_possible_truncation)]

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, Tag, UnboundKey, AES_128_GCM, AES_256_GCM};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::keys::{apply_keystream, counter_mode_key, Label, MasterKey};
use super::{BadKey, Profile};

/// Bytes of an RTCP header that stay in the clear.
pub const RTCP_HEADER_BYTES: usize = 8;
/// Bytes of the word with the `E` bit and the SRTCP index.
pub const RTCP_INDEX_BYTES: usize = 4;

const ENCRYPTED: u32 = 1 << 31;
const GCM_TAG_BYTES: usize = 16;
const HMAC_TAG_BYTES: usize = 10;

/// The tag does not verify, or the library failed to seal.
#[derive(Debug, PartialEq, Eq)]
pub struct CipherError;

/// Session keys of one direction. They are zeroed when it is dropped.
pub enum Cipher {
    /// AES-GCM.
    Gcm(Box<Gcm>),
    /// AES in counter mode with HMAC-SHA1.
    Cm(Box<Cm>),
}

impl Cipher {
    /// Derives session keys from a master key followed by its salt. Errors if its length is wrong.
    pub fn new(profile: Profile, key_and_salt: &[u8]) -> Result<Self, BadKey> {
        let master = MasterKey::new(profile, key_and_salt)?;
        Ok(match profile {
            Profile::Aes128CmSha1_80 => Self::Cm(Box::new(Cm {
                rtp: CmKeys::derive(&master, [Label::RtpKey, Label::RtpAuthentication, Label::RtpSalt])?,
                rtcp: CmKeys::derive(&master, [Label::RtcpKey, Label::RtcpAuthentication, Label::RtcpSalt])?,
            })),
            _ => Self::Gcm(Box::new(Gcm {
                rtp: GcmKeys::derive(profile, &master, Label::RtpKey, Label::RtpSalt)?,
                rtcp: GcmKeys::derive(profile, &master, Label::RtcpKey, Label::RtcpSalt)?,
            })),
        })
    }

    /// Length of the tag behind a packet.
    #[must_use]
    pub fn tag_bytes(&self) -> usize {
        match self {
            Self::Gcm(_) => GCM_TAG_BYTES,
            Self::Cm(_) => HMAC_TAG_BYTES,
        }
    }

    /// Seals `packet[start..]`, an RTP packet of which `header_bytes` stay in the clear, and appends the tag.
    pub fn seal_rtp(
        &self,
        packet: &mut Vec<u8>,
        start: usize,
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), CipherError> {
        match self {
            Self::Gcm(keys) => {
                let (header, payload) = packet[start..].split_at_mut(header_bytes);
                let tag = keys.rtp.seal(header, payload, &rtp_nonce(ssrc, index))?;
                packet.extend_from_slice(tag.as_ref());
            }
            Self::Cm(keys) => {
                let keys = &keys.rtp;
                keys.apply(&mut packet[start + header_bytes..], ssrc, index)?;
                let tag = keys.tag(&packet[start..], &rollover_counter(index));
                packet.extend_from_slice(&tag.as_ref()[..HMAC_TAG_BYTES]);
            }
        }
        Ok(())
    }

    /// Opens an SRTP packet of at least header and tag; returns the length of the RTP packet in front.
    pub fn open_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, CipherError> {
        let body = packet.len() - self.tag_bytes();
        match self {
            Self::Gcm(keys) => {
                let (header, sealed) = packet.split_at_mut(header_bytes);
                keys.rtp.open(header, sealed, &rtp_nonce(ssrc, index))?;
            }
            Self::Cm(keys) => {
                let keys = &keys.rtp;
                let (plain, tag) = packet.split_at_mut(body);
                keys.verify(plain, &rollover_counter(index), tag)?;
                keys.apply(&mut plain[header_bytes..], ssrc, index)?;
            }
        }
        Ok(body)
    }

    /// Seals `packet[start..]`, an RTCP packet, and appends index and tag.
    pub fn seal_rtcp(&self, packet: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) -> Result<(), CipherError> {
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Self::Gcm(keys) => {
                let (header, rest) = packet[start..].split_at_mut(RTCP_HEADER_BYTES);
                let tag = keys.rtcp.seal(&rtcp_authenticated(header, &word), rest, &rtcp_nonce(ssrc, index))?;
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&word);
            }
            Self::Cm(keys) => {
                let keys = &keys.rtcp;
                keys.apply(&mut packet[start + RTCP_HEADER_BYTES..], ssrc, u64::from(index))?;
                packet.extend_from_slice(&word);
                let tag = keys.tag(&packet[start..], &[]);
                packet.extend_from_slice(&tag.as_ref()[..HMAC_TAG_BYTES]);
            }
        }
        Ok(())
    }

    /// The `E` bit and the index of an SRTCP packet of at least header, index and tag.
    #[must_use]
    pub fn rtcp_index(&self, packet: &[u8]) -> (bool, u32) {
        let behind = if matches!(self, Self::Cm(_)) { HMAC_TAG_BYTES } else { 0 };
        let at = packet.len() - behind - RTCP_INDEX_BYTES;
        let word = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
        (word & ENCRYPTED != 0, word & !ENCRYPTED)
    }

    /// Opens an encrypted SRTCP packet of at least header, index and tag; returns the length of the RTCP packet in front.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, CipherError> {
        let body = packet.len() - RTCP_INDEX_BYTES - self.tag_bytes();
        match self {
            Self::Gcm(keys) => {
                let (packet, word) = packet.split_at_mut(body + GCM_TAG_BYTES);
                let (header, sealed) = packet.split_at_mut(RTCP_HEADER_BYTES);
                keys.rtcp.open(&rtcp_authenticated(header, word), sealed, &rtcp_nonce(ssrc, index))?;
            }
            Self::Cm(keys) => {
                let keys = &keys.rtcp;
                let (authenticated, tag) = packet.split_at_mut(body + RTCP_INDEX_BYTES);
                keys.verify(authenticated, &[], tag)?;
                keys.apply(&mut authenticated[RTCP_HEADER_BYTES..body], ssrc, u64::from(index))?;
            }
        }
        Ok(body)
    }
}

/// Keys of both protocols, [RFC 7714](https://www.rfc-editor.org/rfc/rfc7714).
pub struct Gcm {
    /// SRTP.
    pub rtp: GcmKeys,
    /// SRTCP.
    pub rtcp: GcmKeys,
}

/// Keys of one protocol.
pub struct GcmKeys {
    key: LessSafeKey,
    salt: Zeroizing<[u8; 12]>,
}

impl GcmKeys {
    /// Takes a session key of 16 or 32 bytes and its salt.
    pub fn new(key: &[u8], salt: [u8; 12]) -> Result<Self, BadKey> {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| BadKey)?);
        Ok(Self { key, salt: Zeroizing::new(salt) })
    }

    fn derive(profile: Profile, master: &MasterKey, key: Label, salt: Label) -> Result<Self, BadKey> {
        let mut derived = Zeroizing::new([0; 32]);
        let derived = &mut derived[..profile.key_bytes()];
        master.fill(key, derived)?;
        Self::new(derived, *master.derive(salt)?)
    }

    fn nonce(&self, packet: &[u8; 12]) -> Nonce {
        let mut nonce = *packet;
        for (byte, salt) in nonce.iter_mut().zip(self.salt.iter()) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, authenticated: &[u8], plain: &mut [u8], nonce: &[u8; 12]) -> Result<Tag, CipherError> {
        let sealed = self.key.seal_in_place_separate_tag(self.nonce(nonce), Aad::from(authenticated), plain);
        sealed.map_err(|_| CipherError)
    }

    fn open(&self, authenticated: &[u8], sealed: &mut [u8], nonce: &[u8; 12]) -> Result<(), CipherError> {
        let opened = self.key.open_in_place(self.nonce(nonce), Aad::from(authenticated), sealed);
        opened.map(|_| ()).map_err(|_| CipherError)
    }
}

/// Keys of both protocols, [RFC 3711](https://www.rfc-editor.org/rfc/rfc3711).
pub struct Cm {
    rtp: CmKeys,
    rtcp: CmKeys,
}

struct CmKeys {
    key: EncryptingKey,
    authentication: hmac::Key,
    salt: Zeroizing<[u8; 14]>,
}

impl CmKeys {
    fn derive(master: &MasterKey, [key, authentication, salt]: [Label; 3]) -> Result<Self, BadKey> {
        let authentication = master.derive::<20>(authentication)?;
        Ok(Self {
            key: counter_mode_key(&master.derive::<16>(key)?[..])?,
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &authentication[..]),
            salt: master.derive(salt)?,
        })
    }

    /// `IV = (salt << 16) XOR (SSRC << 64) XOR (index << 16)`,
    /// [RFC 3711 §4.1.1](https://www.rfc-editor.org/rfc/rfc3711#section-4.1.1).
    fn apply(&self, data: &mut [u8], ssrc: u32, index: u64) -> Result<(), CipherError> {
        let mut start = [0; 16];
        start[..14].copy_from_slice(&self.salt[..]);
        for (byte, ssrc) in start[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= ssrc;
        }
        for (byte, index) in start[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= index;
        }
        apply_keystream(&self.key, &start, data).map_err(|_| CipherError)
    }

    fn tag(&self, packet: &[u8], also: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(also);
        context.sign()
    }

    fn verify(&self, packet: &[u8], also: &[u8], tag: &[u8]) -> Result<(), CipherError> {
        let expected = self.tag(packet, also);
        verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG_BYTES], tag).map_err(|_| CipherError)
    }
}

fn rollover_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// `00 00 | SSRC | rollover counter | sequence number`,
/// [RFC 7714 §8.1](https://www.rfc-editor.org/rfc/rfc7714#section-8.1).
fn rtp_nonce(ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    nonce
}

/// `00 00 | SSRC | 00 00 | SRTCP index`, [RFC 7714 §9.1](https://www.rfc-editor.org/rfc/rfc7714#section-9.1).
fn rtcp_nonce(ssrc: u32, index: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[8..].copy_from_slice(&index.to_be_bytes());
    nonce
}

/// What a GCM tag covers beside the encrypted rest: the header and the word with the index.
fn rtcp_authenticated(header: &[u8], word: &[u8]) -> [u8; RTCP_HEADER_BYTES + RTCP_INDEX_BYTES] {
    let mut authenticated = [0; RTCP_HEADER_BYTES + RTCP_INDEX_BYTES];
    authenticated[..RTCP_HEADER_BYTES].copy_from_slice(header);
    authenticated[RTCP_HEADER_BYTES..].copy_from_slice(word);
    authenticated
}
