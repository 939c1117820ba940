//! Codecs: the client's frames to samples and back, without I/O.
//!
//! Opus is libopus 1.6 (RFC 6716, bound by the `opusic-c` crate), G.711 (RFC 3551 section 4.5.14) two tables. Everything
//! is mono, signed 16 bit. Durations are in microseconds, so that each rate has a whole number of samples for them.
#![forbid(unsafe_code)]

mod concealment;
mod decoder;
mod encoder;
mod g711;
mod level;
mod resampler;

pub use decoder::{Decoded, Decoder, Piece};
pub use encoder::{Encoder, Settings};
pub use g711::Law;
pub use level::{level_dbov, SILENCE_DBOV};
pub use resampler::Resampler;

/// The sample rates at which audio can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rate {
    /// Narrowband, and the rate of G.711.
    Hz8000,
    /// Wideband: what most recognisers take.
    Hz16000,
    /// What most speech synthesis gives.
    Hz24000,
    /// Fullband.
    Hz48000,
}

impl Rate {
    /// All of them, in rising order.
    pub const ALL: [Self; 4] = [Self::Hz8000, Self::Hz16000, Self::Hz24000, Self::Hz48000];

    /// The rate with this number; None for any other.
    #[must_use]
    pub fn from_hz(hz: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|rate| rate.hz() == hz)
    }

    /// In samples a second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz24000 => 24_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// How many samples last `duration_us`; a part of one is left out.
    #[must_use]
    pub const fn samples(self, duration_us: u32) -> usize {
        (self.hz() / 1_000 * (duration_us / 1_000) + self.hz() / 1_000 * (duration_us % 1_000) / 1_000) as usize
    }
}

/// What a client speaks and hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// PCMU or PCMA.
    G711(Law),
    /// Samples as they are, 16 bit, little-endian, at 24 kHz: what the Realtime API's events carry as `audio/pcm`.
    Pcm24,
}

impl Codec {
    /// By the name in SDP, or "PCM24"; None for any other.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "opus" => Some(Self::Opus),
            "PCMU" => Some(Self::G711(Law::Mu)),
            "PCMA" => Some(Self::G711(Law::A)),
            "PCM24" => Some(Self::Pcm24),
            _ => None,
        }
    }

    /// As [`Codec::from_name`] takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G711(Law::Mu) => "PCMU",
            Self::G711(Law::A) => "PCMA",
            Self::Pcm24 => "PCM24",
        }
    }
}

/// The codec could not be set up: a rate or a setting that libopus refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub(crate) String);
