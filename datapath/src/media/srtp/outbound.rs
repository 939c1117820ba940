//! What goes to the client.

use super::cipher::{Cipher, RTCP_HEADER_BYTES};
use super::inbound::estimate_index;
use super::{BadKey, Profile, MAX_PLAIN_BYTES, MAX_SSRCS};
use crate::media::rtp::{self, HEADER_BYTES};
use crate::wire::drop_reason::DropReason;

/// An SRTCP index has 31 bits, and none may come twice.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;
/// A packet may be repeated for so long.
const REPEATABLE: u64 = 1024;

/// What is kept per SSRC.
#[derive(Default)]
struct Source {
    ssrc: u32,
    highest: u64,
    rtcp_index: u32,
}

/// The sending half of a session.
pub struct Outbound {
    cipher: Cipher,
    sources: Vec<Source>,
}

impl Outbound {
    /// Takes a master key followed by its salt. Errors if the length is wrong.
    pub fn new(profile: Profile, key_and_salt: &[u8]) -> Result<Self, BadKey> {
        Ok(Self { cipher: Cipher::new(profile, key_and_salt)?, sources: Vec::new() })
    }

    /// Seals `packet[start..]`, an RTP packet, in place.
    ///
    /// A sequence number may come again with the very packet it had: it answers a NACK, and gives the same ciphertext, so
    /// no keystream meets a second text.
    pub fn seal_rtp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<(), DropReason> {
        let plain = &packet[start..];
        if plain.len() > MAX_PLAIN_BYTES {
            return Err(DropReason::OversizedDatagram);
        }
        let header_bytes = rtp::header_bytes(plain).ok_or(DropReason::MalformedRtp)?;
        debug_assert!(plain.len() >= HEADER_BYTES);
        let (ssrc, sequence) = (rtp::ssrc(plain), rtp::sequence(plain));
        let source = self.source(ssrc)?;
        let index = estimate_index(source.highest, sequence);
        if source.highest >= index + REPEATABLE {
            return Err(DropReason::SrtpReplayed);
        }
        source.highest = source.highest.max(index);
        // It does not fail for packets of such lengths; if it did, nothing must leave.
        self.cipher.seal_rtp(packet, start, header_bytes, ssrc, index).map_err(|_| DropReason::SrtpNotReady)
    }

    /// Seals `packet[start..]`, an RTCP packet, in place.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>, start: usize) -> Result<(), DropReason> {
        let plain = &packet[start..];
        if plain.len() > MAX_PLAIN_BYTES {
            return Err(DropReason::OversizedDatagram);
        }
        if plain.len() < RTCP_HEADER_BYTES {
            return Err(DropReason::MalformedRtcp);
        }
        let ssrc = u32::from_be_bytes([plain[4], plain[5], plain[6], plain[7]]);
        let source = self.source(ssrc)?;
        if source.rtcp_index >= MAX_RTCP_INDEX {
            // RFC 3711 section 9.2: the keys are used up. It takes 68 years of a report per second.
            return Err(DropReason::SrtpNotReady);
        }
        source.rtcp_index += 1;
        let index = source.rtcp_index;
        self.cipher.seal_rtcp(packet, start, ssrc, index).map_err(|_| DropReason::SrtpNotReady)
    }

    fn source(&mut self, ssrc: u32) -> Result<&mut Source, DropReason> {
        if let Some(place) = self.sources.iter().position(|source| source.ssrc == ssrc) {
            return Ok(&mut self.sources[place]);
        }
        if self.sources.len() >= MAX_SSRCS {
            return Err(DropReason::UnknownSsrc);
        }
        self.sources.push(Source { ssrc, ..Source::default() });
        Ok(self.sources.last_mut().expect("just pushed"))
    }
}
