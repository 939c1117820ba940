//! The port without its socket: which datagram belongs to which session, and its SRTP. Sans-IO.
//!
//! It knows paths (a client's five-tuple as the SPP header says it), the session and the relay of each, and the keys of
//! each session. It knows nothing else about sessions.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxHashMap;
use slab::Slab;

use super::lane::{Frame, Lane};
use super::outbox::{Outbox, Sent};
use super::relays::{Network, Relays};
use super::rtp::RtpPacket;
use super::schedule::{Due, Schedule};
use super::srtp::{BadKey, Inbound, Outbound, Profile};
use crate::wire::demux::{classify, Kind};
use crate::wire::drop_reason::{DropCounts, DropReason};
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::{SppHeader, HEADER_BYTES};

/// Longer than anything that Ethernet carries, with the envelope.
pub const MAX_DATAGRAM_BYTES: usize = HEADER_BYTES + 2048;

/// Names a bound path for as long as it is bound.
pub type PathId = usize;

/// Names a session, as the caller numbers them.
pub type SessionId = u64;

type Header = [u8; HEADER_BYTES];

/// Totals. Bytes are UDP payload without the envelope.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// From whomever.
    pub datagrams_received: u64,
    /// Of datagrams with an envelope, from relays.
    pub bytes_received: u64,
    /// As far as the kernel took them.
    pub datagrams_sent: u64,
    /// The same in bytes.
    pub bytes_sent: u64,
    /// Discarded, by reason.
    pub drops: DropCounts,
}

/// A path that belongs to a session, and the relay through which it was last authentic.
struct Binding {
    header: Header,
    session: SessionId,
    relay: Endpoint,
}

/// Both directions of one session's SRTP.
struct Srtp {
    inbound: Inbound,
    outbound: Outbound,
}

/// A datagram that was accepted.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// STUN, from any path, not verified: the datagram with its envelope.
    Stun(&'a [u8]),
    /// DTLS records on a bound path.
    Dtls(PathId, SessionId, &'a [u8]),
    /// Audio that a lane has passed.
    Audio(SessionId, Frame<'a>),
    /// Any other authentic RTP packet.
    Rtp(PathId, SessionId, RtpPacket<'a>),
    /// An authentic compound RTCP packet.
    Rtcp(PathId, SessionId, &'a [u8]),
}

/// See the module.
#[derive(Default)]
pub struct MediaCore {
    /// What happened so far.
    pub counters: Counters,
    relays: Relays,
    bindings: Slab<Binding>,
    by_header: HashMap<Header, PathId>,
    paths_of: FxHashMap<SessionId, HashSet<PathId>>,
    srtp: FxHashMap<SessionId, Srtp>,
    schedule: Schedule,
    lanes: FxHashMap<SessionId, Lane>,
    feedback: Vec<u8>,
}

impl MediaCore {
    /// Replaces the set of senders that are heard.
    pub fn accept_relays(&mut self, addresses: impl IntoIterator<Item = Endpoint>, networks: Vec<Network>) {
        self.relays.replace(addresses, networks);
    }

    /// Ties a path to a session and a relay. Its id stays as long as it is bound to the same session.
    pub fn bind(&mut self, path: &SppHeader, session: SessionId, relay: Endpoint) -> PathId {
        let mut header = [0; HEADER_BYTES];
        path.write(&mut header);
        if let Some(&id) = self.by_header.get(&header) {
            if self.bindings[id].session == session {
                self.bindings[id].relay = relay;
                return id;
            }
            self.unbind(id);
        }
        let id = self.bindings.insert(Binding { header, session, relay });
        self.by_header.insert(header, id);
        self.paths_of.entry(session).or_default().insert(id);
        id
    }

    /// Forgets a path; one that is not bound is no error.
    pub fn unbind(&mut self, path: PathId) {
        if let Some(binding) = self.bindings.try_remove(path) {
            self.by_header.remove(&binding.header);
            if let Some(paths) = self.paths_of.get_mut(&binding.session) {
                paths.remove(&path);
            }
        }
    }

    /// Gives a session its keys, each a master key followed by its salt. Errors if a length is wrong.
    pub fn start_srtp(
        &mut self,
        session: SessionId,
        profile: Profile,
        inbound: &[u8],
        outbound: &[u8],
    ) -> Result<(), BadKey> {
        let inbound = Inbound::new(profile, inbound)?;
        let outbound = Outbound::new(profile, outbound)?;
        self.srtp.insert(session, Srtp { inbound, outbound });
        Ok(())
    }

    /// Gives a session its lane.
    pub fn add_lane(&mut self, session: SessionId) {
        self.lanes.insert(session, Lane::default());
    }

    /// A session's lane, if it has been given one and is not stopped.
    pub fn lane(&mut self, session: SessionId) -> Option<&mut Lane> {
        self.lanes.get_mut(&session)
    }

    /// Forgets a session's keys, its lane and paths, and what waits to be sent; returns the paths.
    pub fn stop(&mut self, session: SessionId) -> Vec<PathId> {
        self.schedule.take_back(session);
        self.lanes.remove(&session);
        self.srtp.remove(&session);
        let paths: Vec<PathId> = self.paths_of.remove(&session).into_iter().flatten().collect();
        for &path in &paths {
            self.unbind(path);
        }
        paths
    }

    /// Takes one datagram of a relay, at `now` in seconds. What is not accepted is counted. Feedback on when packets came
    /// goes into `out`, which must have room.
    pub fn receive<'a>(
        &mut self,
        datagram: &'a mut [u8],
        sender: &Endpoint,
        now: f64,
        out: &mut Outbox,
    ) -> Option<Incoming<'a>> {
        self.counters.datagrams_received += 1;
        self.accept(datagram, sender, now, out).map_err(|reason| self.counters.drops.add(reason, 1)).ok()
    }

    fn accept<'a>(
        &mut self,
        datagram: &'a mut [u8],
        sender: &Endpoint,
        now: f64,
        out: &mut Outbox,
    ) -> Result<Incoming<'a>, DropReason> {
        if !self.relays.include(sender) {
            return Err(DropReason::UnknownRelay);
        }
        let Some((&mut header, [_, ..])) = datagram.split_first_chunk_mut::<HEADER_BYTES>() else {
            let empty = datagram.len() == HEADER_BYTES;
            return Err(if empty { DropReason::EmptyDatagram } else { DropReason::MalformedSpp });
        };
        if datagram.len() > MAX_DATAGRAM_BYTES {
            return Err(DropReason::OversizedDatagram);
        }
        self.counters.bytes_received += (datagram.len() - HEADER_BYTES) as u64;
        match classify(&datagram[HEADER_BYTES..]) {
            Kind::Stun => SppHeader::read(datagram).map(|_| ()).map(|()| Incoming::Stun(datagram)),
            kind @ (Kind::Dtls | Kind::Srtp | Kind::Srtcp) => {
                let Some(&path) = self.by_header.get(&header) else {
                    return Err(SppHeader::read(datagram).err().unwrap_or(DropReason::UnvalidatedFiveTuple));
                };
                let inner = &mut datagram[HEADER_BYTES..];
                match kind {
                    Kind::Dtls => Ok(Incoming::Dtls(path, self.bindings[path].session, inner)),
                    Kind::Srtp => self.accept_rtp(path, inner, sender, now, out),
                    _ => self.accept_rtcp(path, inner, sender),
                }
            }
            Kind::Unknown => Err(DropReason::UnknownKind),
            Kind::Zrtp | Kind::TurnChannel | Kind::Quic => Err(DropReason::UnsupportedKind),
        }
    }

    fn accept_rtp<'a>(
        &mut self,
        path: PathId,
        inner: &'a mut [u8],
        relay: &Endpoint,
        now: f64,
        out: &mut Outbox,
    ) -> Result<Incoming<'a>, DropReason> {
        let binding = &mut self.bindings[path];
        let session = binding.session;
        let Srtp { inbound, outbound } = self.srtp.get_mut(&session).ok_or(DropReason::SrtpNotReady)?;
        let length = inbound.open_rtp(inner)?;
        binding.relay = *relay;
        let packet = RtpPacket::read(&inner[..length])?;
        let Some(lane) = self.lanes.get_mut(&session) else { return Ok(Incoming::Rtp(path, session, packet)) };
        lane.arrived(&packet, now);
        self.feedback.clear();
        if lane.feedback(&mut self.feedback, now) {
            // Where authentic media comes from, feedback may go.
            let Binding { header, relay, .. } = binding;
            let pushed = out.push(header, &self.feedback, relay, path, |bytes, start| outbound.seal_rtcp(bytes, start));
            if let Err(reason) = pushed {
                self.counters.drops.add(reason, 1);
            }
        }
        Ok(match lane.pass(path, &packet, now) {
            Some(frame) => Incoming::Audio(session, frame),
            None => Incoming::Rtp(path, session, packet),
        })
    }

    fn accept_rtcp<'a>(
        &mut self,
        path: PathId,
        inner: &'a mut [u8],
        relay: &Endpoint,
    ) -> Result<Incoming<'a>, DropReason> {
        let binding = &mut self.bindings[path];
        let session = binding.session;
        let Srtp { inbound, .. } = self.srtp.get_mut(&session).ok_or(DropReason::SrtpNotReady)?;
        let length = inbound.open_rtcp(inner)?;
        binding.relay = *relay;
        Ok(Incoming::Rtcp(path, session, &inner[..length]))
    }

    /// Puts the feedback into `out` that is due, if any, as [`MediaCore::send`] does.
    pub fn send_feedback(&mut self, session: SessionId, path: Option<PathId>, now: f64, out: &mut Outbox) {
        let mut feedback = std::mem::take(&mut self.feedback);
        feedback.clear();
        if self.lanes.get_mut(&session).is_some_and(|lane| lane.feedback(&mut feedback, now)) {
            self.send_rtcp(session, path, &feedback, out);
        }
        self.feedback = feedback;
    }

    /// Puts a STUN or DTLS datagram into `out`, which must have room. What cannot be sent is counted.
    pub fn send(&mut self, path: Option<PathId>, datagram: &[u8], out: &mut Outbox) {
        let pushed = match path.and_then(|path| self.bindings.get(path).map(|binding| (path, binding))) {
            Some((path, Binding { header, relay, .. })) => out.push(header, datagram, relay, path, |_, _| Ok(())),
            None => Err(DropReason::SessionClosed),
        };
        self.count(pushed);
    }

    /// Seals an RTP packet into `out`, as [`MediaCore::send`] does.
    pub fn send_rtp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8], out: &mut Outbox) {
        let pushed = self.push_sealed(session, path, packet, out, Outbound::seal_rtp);
        self.count(pushed);
    }

    /// Seals a compound RTCP packet into `out`, as [`MediaCore::send`] does.
    pub fn send_rtcp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8], out: &mut Outbox) {
        let pushed = self.push_sealed(session, path, packet, out, Outbound::seal_rtcp);
        self.count(pushed);
    }

    /// Keeps an RTP packet until it is due, then [`MediaCore::release`] seals it. What cannot be kept is counted.
    pub fn schedule_rtp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8], due_us: u64) {
        let kept = match path {
            _ if !self.srtp.contains_key(&session) => Err(DropReason::SrtpNotReady),
            None => Err(DropReason::SessionClosed),
            Some(path) => self.schedule.push(session, path, packet, due_us),
        };
        self.count(kept);
    }

    /// See [`Schedule::waiting`].
    #[must_use]
    pub fn waiting(&self, session: SessionId) -> usize {
        self.schedule.waiting(session)
    }

    /// See [`Schedule::take_back`].
    pub fn take_back(&mut self, session: SessionId) -> usize {
        self.schedule.take_back(session)
    }

    /// See [`Schedule::reroute`].
    pub fn reroute(&mut self, session: SessionId, path: PathId) {
        self.schedule.reroute(session, path);
    }

    /// When [`MediaCore::release`] has something to do; None while nothing is scheduled.
    #[must_use]
    pub fn next_release(&self) -> Option<u64> {
        self.schedule.next_tick()
    }

    /// Seals what is due into `out`, as far as there is room. What cannot be sent is counted.
    pub fn release(&mut self, now_us: u64, out: &mut Outbox) {
        while !out.is_full() {
            let Some(Due { session, path, packet }) = self.schedule.pop(now_us) else { return };
            // The path may have been unbound meanwhile, and its id be another session's.
            let is_its_own = self.bindings.get(path).is_some_and(|binding| binding.session == session);
            let path = is_its_own.then_some(path);
            let pushed = self.push_sealed(session, path, &packet, out, Outbound::seal_rtp);
            self.count(pushed);
        }
    }

    fn push_sealed(
        &mut self,
        session: SessionId,
        path: Option<PathId>,
        packet: &[u8],
        out: &mut Outbox,
        seal: impl FnOnce(&mut Outbound, &mut Vec<u8>, usize) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let Srtp { outbound, .. } = self.srtp.get_mut(&session).ok_or(DropReason::SrtpNotReady)?;
        let path = path.ok_or(DropReason::SessionClosed)?;
        let Binding { header, relay, .. } = self.bindings.get(path).ok_or(DropReason::SessionClosed)?;
        out.push(header, packet, relay, path, |bytes, start| seal(outbound, bytes, start))
    }

    fn count(&mut self, pushed: Result<(), DropReason>) {
        if let Err(reason) = pushed {
            self.counters.drops.add(reason, 1);
        }
    }

    /// Counts what a flush of an outbox did.
    pub fn count_sent(&mut self, sent: Sent) {
        self.counters.datagrams_sent += sent.datagrams as u64;
        self.counters.bytes_sent += sent.bytes as u64;
        self.counters.drops.add(DropReason::SendFailed, sent.refused);
    }
}
