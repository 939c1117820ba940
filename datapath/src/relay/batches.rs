//! A thread's receive buffers.

use std::iter::once;
use std::net::UdpSocket;

use super::flow_table::FlowKey;
use super::MAX_DATAGRAM_BYTES;
use crate::udp::{self, Received, GRO_BYTES};
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::{SppHeader, HEADER_BYTES};

/// Client datagrams in one batch.
pub const CLIENT_SLOTS: usize = 256;
/// A client datagram with room for its SPP header in front, in whole cache lines.
const CLIENT_STRIDE: usize = (HEADER_BYTES + MAX_DATAGRAM_BYTES).next_multiple_of(64);
/// Messages from transceivers in one batch, each a train or a single datagram.
const RETURN_SLOTS: usize = 16;

/// Number in epoll of the thread's eventfd.
pub const WOKEN: u64 = 0;
/// Number in epoll of the upstream socket.
pub const UPSTREAM: u64 = 1;
/// Number in epoll of the first public socket.
pub const FIRST_PUBLIC: u64 = 2;

/// Which sockets may have something, a bit for each number in epoll.
#[derive(Clone, Copy)]
pub struct Ready(pub u64);

impl Ready {
    /// Any of them.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether this one may.
    pub fn has(self, number: u64) -> bool {
        self.0 >> number & 1 == 1
    }
}

/// Client datagrams as received, each with headroom for its SPP header.
pub struct ClientBatch {
    buffer: Box<[u8]>,
    received: [Received; CLIENT_SLOTS],
    proxies: [u16; CLIENT_SLOTS],
    count: usize,
}

impl ClientBatch {
    pub fn new() -> Self {
        let buffer = vec![0; CLIENT_SLOTS * CLIENT_STRIDE].into_boxed_slice();
        Self { buffer, received: [Received::NONE; CLIENT_SLOTS], proxies: [0; CLIENT_SLOTS], count: 0 }
    }

    /// Replaces the batch by what is waiting, socket by socket, as far as there is room.
    pub fn receive(&mut self, publics: &[UdpSocket], ready: Ready) {
        self.count = 0;
        for (proxy, socket) in (0..).zip(publics) {
            if ready.has(FIRST_PUBLIC + u64::from(proxy)) {
                self.receive_from(socket, proxy);
            }
        }
    }

    fn receive_from(&mut self, socket: &UdpSocket, proxy: u16) {
        while self.count < CLIENT_SLOTS {
            let buffer = &mut self.buffer[self.count * CLIENT_STRIDE..];
            let received = &mut self.received[self.count..];
            let room = received.len().min(udp::BATCH);
            // Nothing waiting, or what an ICMP error says of a client that is gone: in both cases nothing came.
            let filled = udp::receive(socket, buffer, CLIENT_STRIDE, HEADER_BYTES, received).unwrap_or(0);
            self.proxies[self.count..self.count + filled].fill(proxy);
            self.count += filled;
            if filled < room {
                return;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether more may be waiting.
    pub fn is_full(&self) -> bool {
        self.count == CLIENT_SLOTS
    }

    /// The flow of datagram `index`.
    pub fn flow_key(&self, index: usize) -> FlowKey {
        FlowKey { client: self.received[index].source, proxy: self.proxies[index] }
    }

    /// DSCP of datagram `index`.
    pub fn dscp(&self, index: usize) -> u8 {
        self.received[index].dscp
    }

    /// Length on the wire of datagram `index`.
    pub fn bytes(&self, index: usize) -> usize {
        self.received[index].bytes
    }

    /// Datagram `index`; None if it was too long for its slot.
    pub fn datagram(&self, index: usize) -> Option<&[u8]> {
        self.slot(index)[HEADER_BYTES..].get(..self.received[index].bytes)
    }

    /// Puts the SPP header in front of datagram `index`; returns the length of both.
    pub fn seal(&mut self, index: usize, header: &SppHeader) -> u16 {
        let slot = &mut self.buffer[index * CLIENT_STRIDE..];
        if let Some(headroom) = slot.first_chunk_mut() {
            header.write(headroom);
        }
        u16::try_from(HEADER_BYTES + self.received[index].bytes).unwrap_or(0)
    }

    /// Datagram `index` with its header, once sealed.
    pub fn sealed(&self, index: usize) -> &[u8] {
        &self.slot(index)[..HEADER_BYTES + self.received[index].bytes]
    }

    fn slot(&self, index: usize) -> &[u8] {
        &self.buffer[index * CLIENT_STRIDE..][..CLIENT_STRIDE]
    }
}

/// Trains from transceivers as received.
pub struct ReturnBatch {
    buffer: Box<[u8]>,
    received: [Received; RETURN_SLOTS],
    count: usize,
}

impl ReturnBatch {
    pub fn new() -> Self {
        let buffer = vec![0; RETURN_SLOTS * GRO_BYTES].into_boxed_slice();
        Self { buffer, received: [Received::NONE; RETURN_SLOTS], count: 0 }
    }

    /// Replaces the batch by what is waiting, as far as there is room.
    pub fn receive(&mut self, upstream: &UdpSocket, ready: Ready) {
        self.count = 0;
        if ready.has(UPSTREAM) {
            // As for clients, an error brings nothing.
            self.count = udp::receive(upstream, &mut self.buffer, GRO_BYTES, 0, &mut self.received).unwrap_or(0);
        }
    }

    /// Whether more may be waiting.
    pub fn is_full(&self) -> bool {
        self.count == RETURN_SLOTS
    }

    /// Each message's source, its DSCP and its datagrams.
    pub fn trains(&self) -> impl Iterator<Item = (Endpoint, u8, impl Iterator<Item = &[u8]>)> {
        let slots = self.buffer.chunks_exact(GRO_BYTES);
        slots.zip(&self.received[..self.count]).map(|(slot, message)| {
            let (first, rest) = slot[..message.bytes].split_at(message.segment_bytes.min(message.bytes));
            // An empty datagram is one all the same, so the first stands apart.
            (message.source, message.dscp, once(first).chain(rest.chunks(message.segment_bytes.max(1))))
        })
    }
}
