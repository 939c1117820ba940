//! What goes out: collected into as few system calls as it fits, and counted.

use std::io::{ErrorKind, IoSlice};
use std::net::UdpSocket;

use super::batches::ClientBatch;
use super::counters::Counters;
use super::flow_table::FlowKey;
use super::transceivers::Transceivers;
use crate::udp::{send_train, Item, Outgoing, Pending, TRAIN_SEGMENTS};
use crate::wire::drop_reason::DropReason;
use crate::wire::spp::HEADER_BYTES;

/// Sends sealed client datagrams to transceivers: trains at once, what stands alone together.
pub struct UpstreamSender<'a> {
    socket: &'a UdpSocket,
    clients: &'a ClientBatch,
    transceivers: &'a Transceivers,
    counters: &'a mut Counters,
    singles: Pending<'a>,
}

impl<'a> UpstreamSender<'a> {
    pub fn new(
        socket: &'a UdpSocket,
        clients: &'a ClientBatch,
        transceivers: &'a Transceivers,
        counters: &'a mut Counters,
    ) -> Self {
        Self { socket, clients, transceivers, counters, singles: Pending::new() }
    }

    /// Sends one train, see [`crate::udp::first_train`]. A train of one may wait for [`UpstreamSender::flush`].
    pub fn send(&mut self, train: &[Item]) {
        if let [single] = train {
            self.push_single(*single);
        } else if !self.send_as_train(train) {
            // The kernel cannot send it as a train (a segment beyond the path's MTU, or a device without checksum
            // offload): one by one it can, in fragments if need be.
            self.flush();
            for &item in train {
                self.push_single(item);
            }
        }
    }

    /// Sends what stands alone.
    pub fn flush(&mut self) {
        let (sent, bytes, refused) = self.singles.flush(self.socket);
        self.count_sent(sent, bytes);
        self.counters.drop_many(DropReason::SendFailed, refused);
    }

    fn push_single(&mut self, item: Item) {
        // Routing has just looked it up.
        let Some(destination) = self.transceivers.media_address(item.destination()) else { return };
        self.singles.push(Outgoing { destination, datagram: self.clients.sealed(item.index()), dscp: item.dscp() });
        if self.singles.is_full() {
            self.flush();
        }
    }

    /// False if the kernel cannot send trains like this one.
    fn send_as_train(&mut self, train: &[Item]) -> bool {
        let Some(destination) = self.transceivers.media_address(train[0].destination()) else { return true };
        let mut slices = [IoSlice::new(&[]); TRAIN_SEGMENTS];
        for (slice, item) in slices.iter_mut().zip(train) {
            *slice = IoSlice::new(self.clients.sealed(item.index()));
        }
        match send_train(self.socket, &destination, train[0].bytes(), train[0].dscp(), &slices[..train.len()]) {
            Ok(()) => {
                self.counters.trains_sent += 1;
                self.counters.train_datagrams_sent += train.len() as u64;
                self.count_sent(train.len(), train.iter().map(|item| usize::from(item.bytes())).sum());
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.counters.drop_many(DropReason::SendFailed, train.len());
                true
            }
            Err(_) => false,
        }
    }

    fn count_sent(&mut self, datagrams: usize, bytes: usize) {
        self.counters.transceiver_datagrams_sent += datagrams as u64;
        self.counters.transceiver_bytes_sent += (bytes - datagrams * HEADER_BYTES) as u64;
    }
}

/// Sends transceivers' datagrams to clients, each from the public socket that its flow names.
pub struct DownstreamSender<'a> {
    publics: &'a [UdpSocket],
    counters: &'a mut Counters,
    proxy: u16,
    pending: Pending<'a>,
}

impl<'a> DownstreamSender<'a> {
    pub fn new(publics: &'a [UdpSocket], counters: &'a mut Counters) -> Self {
        Self { publics, counters, proxy: 0, pending: Pending::new() }
    }

    /// Counts a datagram of so many bytes with its SPP header.
    pub fn count_received(&mut self, bytes: usize) {
        self.counters.transceiver_datagrams_received += 1;
        self.counters.transceiver_bytes_received += bytes.saturating_sub(HEADER_BYTES) as u64;
    }

    /// Counts a datagram that goes nowhere.
    pub fn drop(&mut self, reason: DropReason) {
        self.counters.drop(reason);
    }

    /// Sends a datagram, with the next ones or at [`DownstreamSender::flush`].
    pub fn push(&mut self, key: FlowKey, dscp: u8, datagram: &'a [u8]) {
        if key.proxy != self.proxy || self.pending.is_full() {
            self.flush();
            self.proxy = key.proxy;
        }
        self.pending.push(Outgoing { destination: key.client, datagram, dscp });
    }

    /// Sends what is pending.
    pub fn flush(&mut self) {
        if let Some(socket) = self.publics.get(usize::from(self.proxy)) {
            let (sent, bytes, refused) = self.pending.flush(socket);
            self.counters.client_datagrams_sent += sent as u64;
            self.counters.client_bytes_sent += bytes as u64;
            self.counters.drop_many(DropReason::SendFailed, refused);
        }
    }
}
