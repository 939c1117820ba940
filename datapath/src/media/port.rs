//! The core on a socket: what an event loop drives.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;

use super::core::{Counters, Incoming, MediaCore, PathId, SessionId};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::relays::Network;
use super::srtp::{BadKey, Profile};
use crate::udp::{self, SocketOptions};
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::SppHeader;

/// A media port. Nothing of it blocks.
///
/// What is sent is collected until [`Port::flush`], so that all sessions share the trains to a relay.
pub struct Port {
    socket: UdpSocket,
    dscp: u8,
    inbox: Inbox,
    outbox: Outbox,
    core: MediaCore,
}

impl Port {
    /// Binds the socket; on `[::]` relays of both families are heard. All it sends is marked with `dscp`.
    ///
    /// Errors are the system's: the address is in use, or not one of this host's.
    pub fn open(address: SocketAddr, dscp: u8, buffer_bytes: usize) -> io::Result<Self> {
        let options = SocketOptions { dual_stack: true, gro: true, buffer_bytes, ..SocketOptions::default() };
        Ok(Self {
            socket: udp::open(address, options)?,
            dscp,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            core: MediaCore::default(),
        })
    }

    /// The socket, to be watched.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// See [`MediaCore::accept_relays`].
    pub fn accept_relays(&mut self, addresses: impl IntoIterator<Item = Endpoint>, networks: Vec<Network>) {
        self.core.accept_relays(addresses, networks);
    }

    /// See [`MediaCore::bind`].
    pub fn bind(&mut self, path: &SppHeader, session: SessionId, relay: Endpoint) -> PathId {
        self.core.bind(path, session, relay)
    }

    /// See [`MediaCore::unbind`].
    pub fn unbind(&mut self, path: PathId) {
        self.core.unbind(path);
    }

    /// See [`MediaCore::start_srtp`].
    pub fn start_srtp(
        &mut self,
        session: SessionId,
        profile: Profile,
        inbound: &[u8],
        outbound: &[u8],
    ) -> Result<(), BadKey> {
        self.core.start_srtp(session, profile, inbound, outbound)
    }

    /// See [`MediaCore::stop`].
    pub fn stop(&mut self, session: SessionId) -> Vec<PathId> {
        self.core.stop(session)
    }

    /// Takes from the socket what waits there, once [`Port::drain`] has read everything before. Returns whether more may
    /// be waiting.
    pub fn fill(&mut self) -> bool {
        self.inbox.fill(&self.socket)
    }

    /// Gives away what was accepted, with the relay it came from, until there is no more or `take` says to stop.
    pub fn drain(&mut self, mut take: impl FnMut(Incoming<'_>, Endpoint) -> ControlFlow<()>) {
        while let Some((datagram, sender)) = self.inbox.take() {
            if let Some(incoming) = self.core.receive(datagram, &sender) {
                if take(incoming, sender).is_break() {
                    return;
                }
            }
        }
    }

    /// See [`MediaCore::send`].
    pub fn send(&mut self, path: Option<PathId>, datagram: &[u8]) {
        self.make_room();
        self.core.send(path, datagram, &mut self.outbox);
    }

    /// See [`MediaCore::send_rtp`].
    pub fn send_rtp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8]) {
        self.make_room();
        self.core.send_rtp(session, path, packet, &mut self.outbox);
    }

    /// See [`MediaCore::send_rtcp`].
    pub fn send_rtcp(&mut self, session: SessionId, path: Option<PathId>, packet: &[u8]) {
        self.make_room();
        self.core.send_rtcp(session, path, packet, &mut self.outbox);
    }

    /// Sends what was collected.
    pub fn flush(&mut self) {
        if !self.outbox.is_empty() {
            let sent = self.outbox.flush(&self.socket, self.dscp);
            self.core.count_sent(sent);
        }
    }

    fn make_room(&mut self) {
        if self.outbox.is_full() {
            self.flush();
        }
    }
}
