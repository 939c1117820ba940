//! One caller: a WebRTC session and the stages of its setup. Sans-IO: bytes and time in, datagrams and events out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::config::{DtlsCert, DtlsVersion};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::ear::Packet;
use crate::speech::Frame;
use crate::stamp;

/// Second byte of a STUN message that answers a Binding request (RFC 8489 section 5): 0x0101.
const BINDING_SUCCESS: [u8; 2] = [1, 1];

/// An Opus packet of 20 ms of digital silence is no longer.
const LONGEST_SILENCE_BYTES: usize = 12;
const FAINTEST_DBOV: i8 = -60;

/// When a caller got how far. The time from one to the next is what a caller waits for.
#[derive(Debug, Clone, Copy)]
pub struct Stages {
    /// When the call was due to be placed.
    pub due: Instant,
    /// The answer is here.
    pub answered: Option<Instant>,
    /// The first response to a STUN check.
    pub first_stun: Option<Instant>,
    /// DTLS is up: media may be sent.
    pub dtls_up: Option<Instant>,
    /// The first packet that came back.
    pub first_media: Option<Instant>,
}

/// What a call has to say after it was given something.
#[derive(Debug, Clone)]
pub enum Said {
    /// DTLS is up.
    Up,
    /// Audio came.
    Heard(Heard),
    /// STUN checks go unanswered.
    Lost,
    /// The server ended it.
    Closed,
}

/// A packet of audio that came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The number that it had when it left here; None of what a worker made.
    pub number: Option<u32>,
    /// Its RTP header, and when it came.
    pub packet: Packet,
    /// How loud it says that it is (RFC 6464), 0 to -127 dBov.
    pub level_dbov: Option<i8>,
    /// Its payload.
    pub payload: Arc<[u8]>,
}

impl Heard {
    /// Whether somebody who listens would hear something: it says so, or, where it does not, is longer than Opus' silence.
    #[must_use]
    pub fn is_audible(&self) -> bool {
        self.level_dbov.map_or(self.payload.len() > LONGEST_SILENCE_BYTES, |level| level > FAINTEST_DBOV)
    }
}

/// See the module.
pub struct Call {
    rtc: Rtc,
    /// The caller's address, as the server will see it.
    pub address: SocketAddr,
    /// How far it got.
    pub stages: Stages,
    /// Where it is ended.
    pub location: Option<String>,
    pending: Option<SdpPendingOffer>,
    mid: Mid,
    payload_type: Option<Pt>,
    sequence_number: u64,
    mark: u32,
}

impl Call {
    /// A call that was due at `due`, and its offer: one audio section, Opus, from `address` alone.
    ///
    /// # Errors
    /// str0m's, for an address that is none.
    pub fn offer(
        address: SocketAddr,
        certificate: &DtlsCert,
        mark: u32,
        due: Instant,
    ) -> Result<(Self, String), RtcError> {
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .set_rtp_mode(true)
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_dtls_cert(certificate.clone())
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("a section was added");
        let stages = Stages { due, answered: None, first_stun: None, dtls_up: None, first_media: None };
        let call = Self {
            rtc,
            address,
            stages,
            location: None,
            pending: Some(pending),
            mid,
            payload_type: None,
            sequence_number: 0,
            mark,
        };
        Ok((call, offer.to_sdp_string()))
    }

    /// Takes the answer, which starts ICE.
    ///
    /// # Errors
    /// str0m's, for an answer that does not fit the offer.
    pub fn accept(&mut self, answer: &str, now: Instant) -> Result<(), RtcError> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| RtcError::RemoteSdp(error.to_string()))?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.payload_type = self
            .rtc
            .codec_config()
            .find(|params| params.spec().codec == Codec::Opus)
            .map(str0m::format::PayloadParams::pt);
        self.stages.answered = Some(now);
        self.handle_timeout(now)
    }

    /// A datagram has come from `source`. What is no datagram of WebRTC is ignored.
    ///
    /// # Errors
    /// str0m's, after which the call is over.
    pub fn receive(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) -> Result<(), RtcError> {
        if self.stages.first_stun.is_none() && datagram.starts_with(&BINDING_SUCCESS) {
            self.stages.first_stun = Some(now);
        }
        let Ok(received) = Receive::new(Protocol::Udp, source, self.address, datagram) else {
            return Ok(());
        };
        self.rtc.handle_input(Input::Receive(now, received))
    }

    /// Time has passed.
    ///
    /// # Errors
    /// str0m's, after which the call is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))
    }

    /// Sends the packet of this number: a frame of speech, or a filler.
    ///
    /// # Errors
    /// str0m's, after which the call is over.
    pub fn send(
        &mut self,
        number: u32,
        frame: Option<&Frame>,
        rtp_timestamp: u32,
        marker: bool,
        now: Instant,
    ) -> Result<(), RtcError> {
        let Some(payload_type) = self.payload_type else {
            return Ok(());
        };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, None) else {
            return Ok(());
        };
        let payload = stamp::stamped(self.mark, number, frame.map(|frame| &frame.packet[..]));
        let packet = RtpWrite::new(payload_type, self.sequence_number.into(), rtp_timestamp, now, payload);
        let level = ExtensionValues { audio_level: frame.map(|frame| frame.level_dbov), ..ExtensionValues::default() };
        stream.write_rtp(packet.marker(marker).ext_vals(level));
        self.sequence_number += 1;
        self.handle_timeout(now)
    }

    /// Takes out what it wants sent and has to say, after anything was put in. Returns when it wants to be woken.
    ///
    /// # Errors
    /// str0m's, after which the call is over.
    pub fn drain(
        &mut self,
        now: Instant,
        mut transmit: impl FnMut(SocketAddr, &[u8]),
        mut say: impl FnMut(Said),
    ) -> Result<Instant, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(when) => {
                    if !self.rtc.is_alive() {
                        say(Said::Closed);
                    }
                    return Ok(when);
                }
                Output::Transmit(datagram) => transmit(datagram.destination, &datagram.contents),
                Output::Event(event) => {
                    if let Some(said) = self.said(&event, now) {
                        say(said);
                    }
                }
            }
        }
    }

    fn said(&mut self, event: &Event, now: Instant) -> Option<Said> {
        match event {
            Event::Connected => {
                self.stages.dtls_up = Some(now);
                Some(Said::Up)
            }
            Event::RtpPacket(packet) => {
                self.stages.first_media.get_or_insert(now);
                Some(Said::Heard(self.heard(packet, now)))
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => Some(Said::Lost),
            _ => None,
        }
    }

    fn heard(&self, packet: &RtpPacket, at: Instant) -> Heard {
        Heard {
            number: stamp::number(self.mark, &packet.payload),
            packet: Packet { sequence_number: *packet.seq_no, rtp_timestamp: packet.time.numer(), at },
            level_dbov: packet.header.ext_vals.audio_level,
            payload: packet.payload.clone(),
        }
    }
}
