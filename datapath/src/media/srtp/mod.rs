//! SRTP and SRTCP of one session: [RFC 3711](https://www.rfc-editor.org/rfc/rfc3711) and
//! [RFC 7714](https://www.rfc-editor.org/rfc/rfc7714), with the profiles of DTLS-SRTP.
//!
//! The ciphers are AWS-LC's; what is here is the protocol around them: key derivation, packet indices, replay windows and
//! where in a packet what is encrypted and authenticated. Nothing here does I/O.
//!
//! | module | what it decides |
//! |---|---|
//! | [`keys`] | session keys out of a master key |
//! | [`cipher`] | one packet sealed or opened under a given index |
//! | [`replay`] | which indices have been received |
//! | [`inbound`], [`outbound`] | the index of a packet, and what is kept per SSRC |

pub mod cipher;
pub mod inbound;
pub mod keys;
pub mod outbound;
pub mod replay;

pub use inbound::Inbound;
pub use outbound::Outbound;

/// Most SSRCs per direction: each has a replay window, and an authentic client may not make them grow for ever.
pub const MAX_SSRCS: usize = 16;

/// The longest SRTP or SRTCP packet that is opened.
pub const MAX_PROTECTED_BYTES: usize = 1500;

/// The longest RTP or RTCP packet that is sealed. The longest Opus frame has 1,275 bytes.
pub const MAX_PLAIN_BYTES: usize = 1352;

/// What [`cipher`] puts behind a packet, at most: an SRTCP index and a tag.
pub const MAX_TRAILER_BYTES: usize = 20;

/// A DTLS-SRTP protection profile ([RFC 5764 §4.1.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2),
/// [RFC 7714 §14.2](https://www.rfc-editor.org/rfc/rfc7714#section-14.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `AES128_CM_HMAC_SHA1_80`.
    Aes128CmSha1_80,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmSha1_80];

    /// The name that OpenSSL gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Self::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
        }
    }

    /// Length of the master key, and of the session keys for encryption.
    #[must_use]
    pub fn key_bytes(self) -> usize {
        if self == Self::AeadAes256Gcm {
            32
        } else {
            16
        }
    }

    /// Length of the master salt.
    #[must_use]
    pub fn salt_bytes(self) -> usize {
        if self == Self::Aes128CmSha1_80 {
            14
        } else {
            12
        }
    }

    /// Length of the authentication tag.
    #[must_use]
    pub fn tag_bytes(self) -> usize {
        if self == Self::Aes128CmSha1_80 {
            10
        } else {
            16
        }
    }
}

/// The keying material has not the length of its profile, or the library refused it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keying material does not fit its profile")]
pub struct BadKey;
