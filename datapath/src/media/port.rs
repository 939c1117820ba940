//! The core on a socket: what an event loop drives.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::core::{Counters, Incoming, PathId, SessionId};
use super::inbox::Inbox;
use super::lane::Lane;
use super::outbox::Outbox;
use super::relays::Network;
use super::srtp::{BadKey, Profile};
use super::timer::{Shared, Timer};
use crate::udp::{self, SocketOptions};
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::SppHeader;

/// A media port. Nothing of it blocks.
///
/// What is sent is collected until [`Port::flush`], so that all sessions share the trains to a relay. What is scheduled
/// leaves by itself.
pub struct Port {
    shared: Arc<Shared>,
    inbox: Inbox,
    outbox: Outbox,
    /// Sessions of which packets were due when they were scheduled and are in the outbox: the next must not overtake them.
    at_once: FxHashSet<SessionId>,
    _timer: Timer,
}

impl Port {
    /// Binds the socket; on `[::]` relays of both families are heard. All it sends is marked with `dscp`.
    ///
    /// Errors are the system's: the address is in use, or not one of this host's, or there is no thread to be had.
    pub fn open(address: SocketAddr, dscp: u8, buffer_bytes: usize) -> io::Result<Self> {
        let options = SocketOptions { dual_stack: true, gro: true, buffer_bytes, ..SocketOptions::default() };
        let shared = Arc::new(Shared::new(udp::open(address, options)?, dscp));
        let timer = Timer::start(Arc::clone(&shared))?;
        Ok(Self {
            shared,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            at_once: FxHashSet::default(),
            _timer: timer,
        })
    }

    /// The socket, to be watched.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.shared.socket
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().core.counters.clone()
    }

    /// See [`MediaCore::accept_relays`](super::core::MediaCore::accept_relays).
    pub fn accept_relays(&mut self, addresses: impl IntoIterator<Item = Endpoint>, networks: Vec<Network>) {
        self.shared.lock().core.accept_relays(addresses, networks);
    }

    /// See [`MediaCore::bind`](super::core::MediaCore::bind).
    pub fn bind(&mut self, path: &SppHeader, session: SessionId, relay: Endpoint) -> PathId {
        self.shared.lock().core.bind(path, session, relay)
    }

    /// See [`MediaCore::unbind`](super::core::MediaCore::unbind).
    pub fn unbind(&mut self, path: PathId) {
        self.shared.lock().core.unbind(path);
    }

    /// See [`MediaCore::start_srtp`](super::core::MediaCore::start_srtp).
    pub fn start_srtp(
        &mut self,
        session: SessionId,
        profile: Profile,
        inbound: &[u8],
        outbound: &[u8],
    ) -> Result<(), BadKey> {
        self.shared.lock().core.start_srtp(session, profile, inbound, outbound)
    }

    /// See [`MediaCore::add_lane`](super::core::MediaCore::add_lane).
    pub fn add_lane(&mut self, session: SessionId) {
        self.shared.lock().core.add_lane(session);
    }

    /// Does something with a session's lane; None if it has none.
    pub fn with_lane<T>(&mut self, session: SessionId, act: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        self.shared.lock().core.lane(session).map(act)
    }

    /// See [`MediaCore::stop`](super::core::MediaCore::stop).
    pub fn stop(&mut self, session: SessionId) -> Vec<PathId> {
        self.shared.lock().core.stop(session)
    }

    /// Takes from the socket what waits there, once [`Port::drain`] has read everything before. Returns whether more may
    /// be waiting.
    pub fn fill(&mut self) -> bool {
        self.inbox.fill(&self.shared.socket)
    }

    /// Gives away what was accepted at `now`, with the relay it came from, until there is no more or `take` says to stop.
    pub fn drain(&mut self, now: f64, mut take: impl FnMut(Incoming<'_>, Endpoint) -> ControlFlow<()>) {
        loop {
            self.make_room();
            let Some((datagram, sender)) = self.inbox.take() else { return };
            // Not locked while `take` is at work: packets may be due.
            let incoming = self.shared.lock().core.receive(datagram, &sender, now, &mut self.outbox);
            if let Some(incoming) = incoming {
                if take(incoming, sender).is_break() {
                    return;
                }
            }
        }
    }

    /// See [`MediaCore::send`](super::core::MediaCore::send).
    pub fn send(&mut self, path: Option<PathId>, datagram: &[u8]) {
        self.make_room();
        self.shared.lock().core.send(path, datagram, &mut self.outbox);
    }

    /// See [`MediaCore::send_rtp`](super::core::MediaCore::send_rtp).
    pub fn send_rtp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8]) {
        self.make_room();
        self.shared.lock().core.send_rtp(session, path, packet, &mut self.outbox);
    }

    /// See [`MediaCore::send_rtcp`](super::core::MediaCore::send_rtcp).
    pub fn send_rtcp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8]) {
        self.make_room();
        self.shared.lock().core.send_rtcp(session, path, packet, &mut self.outbox);
    }

    /// Sends an RTP packet when its time has come, by itself, behind those of its session that wait. Times are those of
    /// [`now_us`](super::timer::now_us).
    ///
    /// True if it is not to wait at all: then it is with what [`Port::flush`] sends.
    pub fn schedule_rtp(
        &mut self,
        session: SessionId,
        path: Option<PathId>,
        packet: &[u8],
        due_us: u64,
        now_us: u64,
    ) -> bool {
        self.make_room();
        let mut state = self.shared.lock();
        if due_us <= now_us && state.core.waiting(session) == 0 {
            state.core.send_rtp(session, path, packet, &mut self.outbox);
            self.at_once.insert(session);
            return true;
        }
        if self.at_once.contains(&session) {
            drop(state);
            self.flush();
            state = self.shared.lock();
        }
        state.core.schedule_rtp(session, path, packet, due_us);
        self.shared.scheduled(state);
        false
    }

    /// See [`Schedule::waiting`](super::schedule::Schedule::waiting).
    #[must_use]
    pub fn waiting(&self, session: SessionId) -> usize {
        self.shared.lock().core.waiting(session)
    }

    /// See [`Schedule::take_back`](super::schedule::Schedule::take_back).
    pub fn take_back(&mut self, session: SessionId) -> usize {
        self.shared.lock().core.take_back(session)
    }

    /// See [`Schedule::reroute`](super::schedule::Schedule::reroute).
    pub fn reroute(&mut self, session: SessionId, path: PathId) {
        self.shared.lock().core.reroute(session, path);
    }

    /// See [`MediaCore::send_feedback`](super::core::MediaCore::send_feedback).
    pub fn send_feedback(&mut self, session: SessionId, path: Option<PathId>, now: f64) {
        self.make_room();
        self.shared.lock().core.send_feedback(session, path, now, &mut self.outbox);
    }

    /// Sends what was collected.
    pub fn flush(&mut self) {
        self.at_once.clear();
        self.shared.flush(&mut self.outbox);
    }

    fn make_room(&mut self) {
        if self.outbox.is_full() {
            self.flush();
        }
    }
}
