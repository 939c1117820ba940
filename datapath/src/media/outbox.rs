//! What goes to the relays: collected, then sent as few trains as it fits.

use std::io::{ErrorKind, IoSlice};
use std::net::UdpSocket;

use crate::udp::{first_train, send_train, Item, Outgoing, Pending, Trains, TRAIN_SEGMENTS};
use crate::wire::drop_reason::DropReason;
use crate::wire::endpoint::Endpoint;
use crate::wire::spp::HEADER_BYTES;

/// Datagrams that wait for a flush, at most.
pub const MAX_QUEUED: usize = 512;

struct Queued {
    start: usize,
    end: usize,
}

/// Datagrams of all sessions on their way to the relays.
pub struct Outbox {
    bytes: Vec<u8>,
    queued: Vec<Queued>,
    relays: Vec<Endpoint>,
    trains: Trains,
}

/// What a flush did. Bytes are without the SPP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the kernel took.
    pub datagrams: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Datagrams that it did not take.
    pub refused: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            queued: Vec::with_capacity(MAX_QUEUED),
            relays: Vec::new(),
            trains: Trains::new(MAX_QUEUED),
        }
    }
}

impl Outbox {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Whether it must be flushed before the next datagram.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queued.len() == MAX_QUEUED
    }

    /// Adds a datagram; there must be room. `flow` tells flows apart: the order within one is kept.
    ///
    /// `seal` finishes the datagram in place, which begins at the index it is given; if it fails, nothing is added.
    pub fn push(
        &mut self,
        header: &[u8; HEADER_BYTES],
        datagram: &[u8],
        relay: &Endpoint,
        flow: usize,
        seal: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(datagram);
        if let Err(drop) = seal(&mut self.bytes, start + HEADER_BYTES) {
            self.bytes.truncate(start);
            return Err(drop);
        }
        let end = self.bytes.len();
        let Ok(length) = u16::try_from(end - start) else {
            self.bytes.truncate(start);
            return Err(DropReason::OversizedDatagram);
        };
        let destination = self.destination(relay);
        self.trains.push(destination, 0, length, self.queued.len(), flow as u64);
        self.queued.push(Queued { start, end });
        Ok(())
    }

    /// The number of a relay in this batch.
    #[allow(clippy::cast_possible_truncation)] // at most one per datagram
    fn destination(&mut self, relay: &Endpoint) -> u16 {
        let known = self.relays.iter().position(|known| known == relay);
        known.unwrap_or_else(|| {
            self.relays.push(*relay);
            self.relays.len() - 1
        }) as u16
    }

    /// Sends everything, marked with `dscp`, and forgets it.
    pub fn flush(&mut self, socket: &UdpSocket, dscp: u8) -> Sent {
        let mut sender = Sender {
            socket,
            dscp,
            bytes: &self.bytes,
            queued: &self.queued,
            relays: &self.relays,
            sent: Sent::default(),
        };
        let mut singles = Pending::new();
        let mut items = self.trains.order();
        let mut generation = 0;
        while !items.is_empty() {
            let (train, rest) = items.split_at(first_train(items));
            if train[0].generation() != generation {
                generation = train[0].generation();
                sender.send_singles(&mut singles);
            }
            sender.send(train, &mut singles);
            items = rest;
        }
        sender.send_singles(&mut singles);
        let sent = sender.sent;
        self.trains.clear();
        self.bytes.clear();
        self.queued.clear();
        self.relays.clear();
        sent
    }
}

struct Sender<'a> {
    socket: &'a UdpSocket,
    dscp: u8,
    bytes: &'a [u8],
    queued: &'a [Queued],
    relays: &'a [Endpoint],
    sent: Sent,
}

impl<'a> Sender<'a> {
    /// A train of one may wait for [`Sender::send_singles`].
    fn send(&mut self, train: &[Item], singles: &mut Pending<'a>) {
        if train.len() == 1 {
            self.push_single(train[0], singles);
        } else if !self.send_as_train(train) {
            // The kernel cannot send it as a train (a segment beyond the path's MTU, or a device without checksum
            // offload): one by one it can, in fragments if need be.
            self.send_singles(singles);
            for &item in train {
                self.push_single(item, singles);
            }
        }
    }

    fn push_single(&mut self, item: Item, singles: &mut Pending<'a>) {
        let destination = self.relays[usize::from(item.destination())];
        singles.push(Outgoing { destination, datagram: self.datagram(item), dscp: self.dscp });
        if singles.is_full() {
            self.send_singles(singles);
        }
    }

    fn send_singles(&mut self, singles: &mut Pending<'a>) {
        let (datagrams, bytes, refused) = singles.flush(self.socket);
        self.count(datagrams, bytes);
        self.sent.refused += refused;
    }

    /// False if the kernel cannot send trains like this one.
    fn send_as_train(&mut self, train: &[Item]) -> bool {
        let relay = &self.relays[usize::from(train[0].destination())];
        let mut slices = [IoSlice::new(&[]); TRAIN_SEGMENTS];
        for (slice, item) in slices.iter_mut().zip(train) {
            *slice = IoSlice::new(self.datagram(*item));
        }
        match send_train(self.socket, relay, train[0].bytes(), self.dscp, &slices[..train.len()]) {
            Ok(()) => {
                self.count(train.len(), train.iter().map(|item| usize::from(item.bytes())).sum());
                true
            }
            // The socket's buffer is full: media does not wait.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.sent.refused += train.len();
                true
            }
            Err(_) => false,
        }
    }

    fn datagram(&self, item: Item) -> &'a [u8] {
        let Queued { start, end } = self.queued[item.index()];
        &self.bytes[start..end]
    }

    fn count(&mut self, datagrams: usize, bytes: usize) {
        self.sent.datagrams += datagrams;
        self.sent.bytes += bytes - datagrams * HEADER_BYTES;
    }
}
