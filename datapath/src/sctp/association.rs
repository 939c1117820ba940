//! One SCTP association: datagrams and time in, datagrams and messages out.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, Event, Payload, PayloadProtocolIdentifier,
    ReliabilityType, StreamEvent,
};

use super::backlog::Backlog;
use super::clock::Clock;
use super::limits::{MAX_DATAGRAM_BYTES, MAX_STREAMS, MTU_BYTES};
use super::packet;
use super::{Limits, SctpError};

/// `sctp-proto` wants an address for the peer; over DTLS there is one peer and no address.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5000);
/// Offset and value of the first chunk's type: `source port 2 | destination port 2 | tag 4 | checksum 4 | type 1 ...`
/// (RFC 9260 section 3).
const CHUNK_TYPE_OFFSET: usize = 12;
const CHUNK_TYPE_INIT: u8 = 1;

/// Where the association is in its life. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waiting for, or in, the four-way handshake.
    Connecting,
    /// Messages flow.
    Connected,
    /// An orderly shutdown is under way; what was queued is still delivered.
    Closing,
    /// Over. Every datagram is dropped.
    Closed,
}

/// How hard one message is tried ([RFC 3758](https://www.rfc-editor.org/rfc/rfc3758)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliability {
    /// Until it arrives.
    Reliable,
    /// At most this many retransmissions.
    Retransmits(u32),
    /// Only this long after it was queued, in milliseconds.
    LifetimeMs(u32),
}

impl Reliability {
    fn parameters(self) -> (ReliabilityType, u32) {
        match self {
            Self::Reliable => (ReliabilityType::Reliable, 0),
            Self::Retransmits(count) => (ReliabilityType::Rexmit, count),
            Self::LifetimeMs(lifetime) => (ReliabilityType::Timed, lifetime),
        }
    }
}

/// A whole message as the peer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SCTP stream identifier.
    pub stream_id: u16,
    /// Payload protocol identifier; 0 for one that WebRTC does not use.
    pub ppid: u32,
    /// The message's bytes, never empty.
    pub data: Vec<u8>,
}

/// One association over one DTLS connection.
///
/// The server role answers the peer's INIT. That is the usual one here: the peer of an ICE-lite endpoint is the
/// controlling side, and every WebRTC stack in use sends INIT then, whichever side the DTLS client is. In the client
/// role an INIT from the peer is dropped; RFC 9260 section 5.2.4 (action B) lets the peer accept ours all the same.
pub struct Sctp {
    limits: Limits,
    clock: Clock,
    backlog: Backlog,
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    /// Of what is sent.
    header: Option<packet::Header>,
    /// The last packet that brought DATA, to be shown again when the window has reopened.
    last_data: Option<Bytes>,
    state: State,
    close_reason: Option<String>,
    streams: HashSet<u16>,
    readable: VecDeque<u16>,
    ended_streams: Vec<u16>,
}

impl Sctp {
    /// An association that sends INIT at once (`client`) or waits for the peer's.
    pub fn new(client: bool, limits: Limits, now_s: f64) -> Result<Self, SctpError> {
        limits.check()?;
        let clock = Clock::new(now_s)?;
        let transport = limits.transport();
        let mut endpoint = Endpoint::new(Limits::endpoint(), Some(Limits::server(transport.clone())));
        let association = if client {
            endpoint.reject_new_associations();
            let mut config = ClientConfig::new();
            config.transport = transport;
            Some(endpoint.connect(config, PEER).map_err(|_| SctpError::InvalidLimits)?)
        } else {
            None
        };
        Ok(Self {
            limits,
            clock,
            backlog: Backlog::new(limits.max_buffered_bytes),
            endpoint,
            association,
            header: None,
            last_data: None,
            state: State::Connecting,
            close_reason: None,
            streams: HashSet::new(),
            readable: VecDeque::new(),
            ended_streams: Vec::new(),
        })
    }

    /// Where the association is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Why the association closed, as one short line; `None` before that.
    #[must_use]
    pub fn close_reason(&self) -> Option<&str> {
        self.close_reason.as_deref()
    }

    /// Takes one SCTP packet out of a DTLS record. False: it was dropped, being no packet of this association.
    pub fn receive(&mut self, datagram: &[u8], now_s: f64) -> Result<bool, SctpError> {
        let now = self.clock.advance(now_s)?;
        if self.state == State::Closed || datagram.len() > MAX_DATAGRAM_BYTES || self.is_stale_init(datagram) {
            return Ok(false);
        }
        if !self.backlog.received(datagram) {
            // Where whole messages wait it is the owner who is late: the peer will send this again. Where none does,
            // nothing that the owner takes would make room.
            if self.readable.is_empty() {
                self.abort("the peer left too many fragments");
            }
            return Ok(false);
        }
        let data = Bytes::copy_from_slice(datagram);
        if Backlog::brings_data(datagram) {
            self.last_data = Some(data.clone());
        }
        let taken = self.handle(data, now);
        self.process_events();
        Ok(taken)
    }

    fn handle(&mut self, packet: Bytes, now: Instant) -> bool {
        match self.endpoint.handle(now, PEER, None, None, packet) {
            None => false,
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                // One DTLS connection carries one association; the endpoint must not grow a second.
                self.endpoint.reject_new_associations();
                self.association = Some((handle, association));
                true
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
                true
            }
        }
    }

    /// When [`Sctp::handle_timeout`] wants to be called, in the caller's seconds.
    #[must_use]
    pub fn timeout(&self) -> Option<f64> {
        let (_, association) = self.association.as_ref()?;
        if self.state == State::Closed {
            return None;
        }
        association.poll_timeout().map(|instant| self.clock.seconds(instant))
    }

    /// Lets expired timers retransmit. Harmless when called early.
    pub fn handle_timeout(&mut self, now_s: f64) -> Result<(), SctpError> {
        let now = self.clock.advance(now_s)?;
        if self.state != State::Closed {
            if let Some((_, association)) = &mut self.association {
                association.handle_timeout(now);
            }
            self.process_events();
        }
        Ok(())
    }

    /// The packets to send now, each as one DTLS record, in order. Call it after every other call.
    pub fn take_datagrams(&mut self) -> Vec<Bytes> {
        let mut datagrams = Vec::new();
        let now = self.clock.latest();
        if let Some((_, association)) = &mut self.association {
            while let Some(transmit) = association.poll_transmit(now) {
                if let Payload::RawEncode(packets) = transmit.payload {
                    for packet in &packets {
                        self.backlog.sent(packet);
                        self.header = packet::header(packet);
                    }
                    datagrams.extend(packets);
                }
            }
            // `sctp-proto` stays in SHUTDOWN-SENT after it sent SHUTDOWN COMPLETE; with no timer left it is over.
            let over = association.is_closing() && association.poll_timeout().is_none();
            self.process_events();
            if over {
                self.finish("shut down".to_owned());
            }
        }
        if datagrams.iter().any(|packet| packet.len() > MTU_BYTES as usize) {
            return self.fit(&datagrams);
        }
        datagrams
    }

    /// `sctp-proto` forgets chunk headers and padding when it bundles small messages, and tells of every gap in one
    /// SACK. The former can be put right. No honest peer has so many packets under way that the latter matters.
    fn fit(&mut self, datagrams: &[Bytes]) -> Vec<Bytes> {
        let fitting: Option<Vec<_>> =
            datagrams.iter().map(|packet| packet::split(packet, MTU_BYTES as usize)).collect();
        if let Some(fitting) = fitting {
            return fitting.concat();
        }
        self.abort("the peer leaves more gaps than a packet can tell of");
        Vec::new()
    }

    /// Opens a stream in both directions. Nothing is sent: in SCTP a stream exists once a message uses it.
    pub fn open_stream(&mut self, stream_id: u16) -> Result<(), SctpError> {
        if stream_id >= MAX_STREAMS || self.streams.len() >= usize::from(MAX_STREAMS) {
            return Err(SctpError::TooManyStreams(stream_id));
        }
        let association = self.connected()?;
        association
            .open_stream(stream_id, PayloadProtocolIdentifier::Binary)
            .map_err(|_| SctpError::StreamInUse(stream_id))?;
        self.streams.insert(stream_id);
        Ok(())
    }

    /// Queues one message.
    pub fn send(
        &mut self,
        stream_id: u16,
        ppid: u32,
        data: &[u8],
        ordered: bool,
        reliability: Reliability,
    ) -> Result<(), SctpError> {
        let payload_type = known_ppid(ppid)?;
        if data.is_empty() {
            return Err(SctpError::EmptyMessage);
        }
        if data.len() > self.limits.max_message_bytes as usize {
            return Err(SctpError::MessageTooLarge(data.len()));
        }
        if self.total_buffered() + data.len() > self.limits.max_buffered_bytes as usize {
            return Err(SctpError::BufferFull);
        }
        let not_open = |_| SctpError::StreamNotOpen(stream_id);
        let mut stream = self.connected()?.stream(stream_id).map_err(not_open)?;
        let (kind, value) = reliability.parameters();
        stream.set_reliability_params(!ordered, kind, value).map_err(not_open)?;
        stream.write_with_ppi(data, payload_type).map_err(not_open)?;
        Ok(())
    }

    /// The next whole message, in order within each stream, the streams in turns. Messages that nobody takes fill the
    /// receive window, so the peer is slowed down rather than the memory filled.
    pub fn take_message(&mut self) -> Option<Message> {
        loop {
            let stream_id = *self.readable.front()?;
            let (_, association) = self.association.as_mut()?;
            let read = association.stream(stream_id).ok().and_then(|mut stream| stream.read_sctp().ok().flatten());
            let Some(chunks) = read else {
                self.readable.pop_front();
                continue;
            };
            self.readable.rotate_left(1);
            self.backlog.delivered(chunks.chunks.len(), chunks.len());
            let mut data = vec![0; chunks.len()];
            let whole = chunks.read(&mut data).is_ok();
            self.process_events();
            if self.backlog.window_has_reopened() {
                self.announce_window();
            }
            if whole {
                return Some(Message { stream_id, ppid: ppid_number(chunks.ppi), data });
            }
        }
    }

    /// Tells a peer that had filled the window that it may go on ([RFC 9260 section
    /// 6.2](https://www.rfc-editor.org/rfc/rfc9260#section-6.2)). `sctp-proto` says so only when asked, and a blocked
    /// peer asks ever more seldom. A packet that it has already is answered with a SACK: the first copy after a while,
    /// the second at once.
    fn announce_window(&mut self) {
        let now = self.clock.latest();
        for packet in [self.last_data.clone(), self.last_data.clone()].into_iter().flatten() {
            self.handle(packet, now);
        }
        self.process_events();
    }

    /// Closes one stream in both directions by RFC 6525 resets; what was queued is delivered first.
    pub fn close_stream(&mut self, stream_id: u16) -> Result<(), SctpError> {
        let not_open = |_| SctpError::StreamNotOpen(stream_id);
        self.connected()?.stream(stream_id).map_err(not_open)?.close().map_err(not_open)?;
        self.process_events();
        Ok(())
    }

    /// The streams that ended since the last call: reset by the peer, or by us and confirmed. Take the messages first.
    pub fn take_ended_streams(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.ended_streams)
    }

    /// Bytes of one stream that were queued and not yet acknowledged by the peer.
    pub fn buffered_amount(&mut self, stream_id: u16) -> Result<usize, SctpError> {
        let not_open = |_| SctpError::StreamNotOpen(stream_id);
        let (_, association) = self.association.as_mut().ok_or(SctpError::NotConnected)?;
        association.stream(stream_id).map_err(not_open)?.buffered_amount().map_err(not_open)
    }

    /// Bytes of all streams together that were queued and not yet acknowledged by the peer.
    pub fn total_buffered(&mut self) -> usize {
        let Some((_, association)) = &mut self.association else { return 0 };
        let buffered = |id: &u16| association.stream(*id).and_then(|stream| stream.buffered_amount()).unwrap_or(0);
        self.streams.iter().map(buffered).sum()
    }

    /// Ends the association at once and frees it. Returns the ABORT that tells the peer, if there is one to tell.
    pub fn hang_up(&mut self) -> Option<Bytes> {
        let connected = self.state == State::Connected || self.state == State::Closing;
        let header = self.header.filter(|_| connected);
        self.abort("hung up");
        header.map(packet::abort)
    }

    /// Begins an orderly shutdown, or ends at once what never connected. Closing twice is harmless.
    ///
    /// What was queued is sent first. `sctp-proto` starts its shutdown without looking at unsent data, so it is told
    /// only when the last byte has been acknowledged ([`Sctp::process_events`]).
    pub fn close(&mut self) {
        match self.state {
            State::Connecting => self.abort("closed before it connected"),
            State::Connected => {
                self.state = State::Closing;
                self.process_events();
            }
            State::Closing | State::Closed => {}
        }
    }

    /// Ends the association at once and frees it, without a word to the peer: the DTLS connection below is about to
    /// say it.
    pub fn abort(&mut self, reason: &str) {
        self.finish(reason.to_owned());
        self.association = None;
        self.last_data = None;
        self.readable.clear();
    }

    fn connected(&mut self) -> Result<&mut Association, SctpError> {
        match (&mut self.association, self.state) {
            (Some((_, association)), State::Connected) => Ok(association),
            _ => Err(SctpError::NotConnected),
        }
    }

    /// A retransmitted INIT that arrives after the handshake. RFC 9260 section 5.2.2 answers it without changing
    /// anything; `sctp-proto` would close the association instead.
    fn is_stale_init(&self, datagram: &[u8]) -> bool {
        self.state != State::Connecting && datagram.get(CHUNK_TYPE_OFFSET) == Some(&CHUNK_TYPE_INIT)
    }

    fn process_events(&mut self) {
        let Some((_, association)) = &mut self.association else { return };
        let mut lost = None;
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => self.state = State::Connected,
                Event::HandshakeFailed { reason } | Event::AssociationLost { reason } => {
                    lost = Some(reason.to_string());
                }
                Event::Stream(StreamEvent::Opened { id }) => {
                    self.streams.insert(id);
                }
                Event::Stream(StreamEvent::Readable { id }) if !self.readable.contains(&id) => {
                    self.readable.push_back(id);
                }
                Event::Stream(StreamEvent::Finished { id }) => {
                    self.streams.remove(&id);
                    self.ended_streams.push(id);
                }
                _ => {}
            }
        }
        // Queues of the crate that only a multi-association owner needs; left alone they would grow.
        while association.accept_stream().is_some() {}
        while association.poll_endpoint_event().is_some() {}
        if association.is_closing() && self.state == State::Connected {
            self.state = State::Closing;
        }
        let closed = association.is_closed() && self.state != State::Connecting;
        if let Some(reason) = lost {
            self.finish(reason);
        } else if closed {
            self.finish("shut down".to_owned());
        } else if self.streams.len() > usize::from(MAX_STREAMS) {
            self.abort("the peer opened too many streams");
        } else if self.state == State::Closing && self.total_buffered() == 0 {
            self.shut_down();
        }
    }

    fn shut_down(&mut self) {
        if let Some((_, association)) = &mut self.association {
            // Refused while a shutdown is under way already, which is what is wanted.
            let _ = association.shutdown();
        }
    }

    fn finish(&mut self, reason: String) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.close_reason = Some(reason);
        }
    }
}

fn known_ppid(ppid: u32) -> Result<PayloadProtocolIdentifier, SctpError> {
    match PayloadProtocolIdentifier::from(ppid) {
        PayloadProtocolIdentifier::Unknown => Err(SctpError::UnknownPpid(ppid)),
        known => Ok(known),
    }
}

fn ppid_number(identifier: PayloadProtocolIdentifier) -> u32 {
    match identifier {
        PayloadProtocolIdentifier::Unknown => 0,
        known => known as u32,
    }
}
