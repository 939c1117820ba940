//! What comes from the client.

use super::cipher::{Cipher, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES};
use super::replay::ReplayWindow;
use super::{BadKey, Profile, MAX_PROTECTED_BYTES, MAX_SSRCS};
use crate::media::rtp::{self, HEADER_BYTES};
use crate::wire::drop_reason::DropReason;

const HALF: i32 = 1 << 15;

/// 1,024 packets: 20 s of audio.
type RtpWindow = ReplayWindow<16>;
type RtcpWindow = ReplayWindow<2>;

/// What is kept per SSRC.
struct Source {
    ssrc: u32,
    rtp: RtpWindow,
    rtcp: RtcpWindow,
}

/// The receiving half of a session.
pub struct Inbound {
    cipher: Cipher,
    sources: Vec<Source>,
}

impl Inbound {
    /// Takes a master key followed by its salt. Errors if the length is wrong.
    pub fn new(profile: Profile, key_and_salt: &[u8]) -> Result<Self, BadKey> {
        Ok(Self { cipher: Cipher::new(profile, key_and_salt)?, sources: Vec::new() })
    }

    /// Opens an SRTP packet in place; returns the length of the RTP packet in front.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        if packet.len() < HEADER_BYTES + self.cipher.tag_bytes() {
            return Err(DropReason::MalformedRtp);
        }
        let ssrc = rtp::ssrc(packet);
        let place = self.admit(packet, ssrc)?;
        let header_bytes = rtp::header_bytes(packet).ok_or(DropReason::MalformedRtp)?;
        let window = place.map(|place| &self.sources[place].rtp);
        let index = estimate_index(window.map_or(0, RtpWindow::highest), rtp::sequence(packet));
        if window.is_some_and(|window| !window.accepts(index)) {
            return Err(DropReason::SrtpReplayed);
        }
        if header_bytes + self.cipher.tag_bytes() > packet.len() {
            return Err(DropReason::MalformedRtp);
        }
        let opened = self.cipher.open_rtp(packet, header_bytes, ssrc, index);
        let length = opened.map_err(|_| DropReason::SrtpAuthFailed)?;
        self.source(place, ssrc).rtp.insert(index);
        Ok(length)
    }

    /// Opens an SRTCP packet in place; returns the length of the RTCP packet in front.
    ///
    /// One that is not encrypted is never accepted: browsers encrypt
    /// ([RFC 8834 §13](https://www.rfc-editor.org/rfc/rfc8834#section-13)), and no profile here allows the other.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        if packet.len() < RTCP_HEADER_BYTES + RTCP_INDEX_BYTES + self.cipher.tag_bytes() {
            return Err(DropReason::MalformedRtcp);
        }
        let ssrc = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let place = self.admit(packet, ssrc)?;
        let (encrypted, index) = self.cipher.rtcp_index(packet);
        if !encrypted && matches!(self.cipher, Cipher::Cm(_)) {
            return Err(DropReason::MalformedRtcp);
        }
        if place.is_some_and(|place| !self.sources[place].rtcp.accepts(u64::from(index))) {
            return Err(DropReason::SrtpReplayed);
        }
        if !encrypted {
            return Err(DropReason::SrtpAuthFailed);
        }
        let opened = self.cipher.open_rtcp(packet, ssrc, index);
        let length = opened.map_err(|_| DropReason::SrtpAuthFailed)?;
        self.source(place, ssrc).rtcp.insert(u64::from(index));
        Ok(length)
    }

    /// Where a packet's source is kept, None if it is new and may be.
    fn admit(&self, packet: &[u8], ssrc: u32) -> Result<Option<usize>, DropReason> {
        if packet.len() > MAX_PROTECTED_BYTES {
            return Err(DropReason::OversizedDatagram);
        }
        let place = self.sources.iter().position(|source| source.ssrc == ssrc);
        if place.is_none() && self.sources.len() >= MAX_SSRCS {
            return Err(DropReason::UnknownSsrc);
        }
        Ok(place)
    }

    /// The source of an authentic packet.
    fn source(&mut self, place: Option<usize>, ssrc: u32) -> &mut Source {
        let place = place.unwrap_or_else(|| {
            self.sources.push(Source { ssrc, rtp: RtpWindow::default(), rtcp: RtcpWindow::default() });
            self.sources.len() - 1
        });
        &mut self.sources[place]
    }
}

/// The index of a packet, from its sequence number and the highest index so far:
/// [RFC 3711 §3.3.1](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1).
///
/// In the lower half of the first round there is no round before it that a packet could belong to.
pub(super) fn estimate_index(highest: u64, sequence: u16) -> u64 {
    let (round, last) = (highest >> 16, i32::from((highest & 0xFFFF) as u16));
    let ahead = i32::from(sequence) - last;
    let round = if highest <= HALF as u64 {
        0
    } else if last < HALF {
        if ahead > HALF {
            round - 1
        } else {
            round
        }
    } else if ahead < -HALF {
        round + 1
    } else {
        round
    };
    (round & 0xFFFF_FFFF) << 16 | u64::from(sequence)
}
