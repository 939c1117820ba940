//! What comes from the relays: a socket's datagrams, one after the other, out of the trains they came in.

use std::io;
use std::net::UdpSocket;

use crate::udp::{receive, Received, BATCH, GRO_BYTES};
use crate::wire::endpoint::Endpoint;

/// Messages that one system call takes, each perhaps a train.
const SLOTS: usize = BATCH;

/// The buffer of one socket.
pub struct Inbox {
    buffer: Vec<u8>,
    received: [Received; SLOTS],
    count: usize,
    message: usize,
    offset: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { buffer: vec![0; SLOTS * GRO_BYTES], received: [Received::NONE; SLOTS], count: 0, message: 0, offset: 0 }
    }
}

impl Inbox {
    /// Takes what waits at the socket, once everything before has been read. Returns whether more may be waiting there.
    pub fn fill(&mut self, socket: &UdpSocket) -> bool {
        debug_assert!(self.message == self.count);
        (self.message, self.offset) = (0, 0);
        loop {
            match receive(socket, &mut self.buffer, GRO_BYTES, 0, &mut self.received) {
                Ok(count) => self.count = count,
                // An error of an earlier send, such as a relay that is gone: it is told once, the next may be fine.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused) => {
                    continue;
                }
                Err(_) => self.count = 0,
            }
            return self.count == SLOTS;
        }
    }

    /// The next datagram and its sender.
    pub fn take(&mut self) -> Option<(&mut [u8], Endpoint)> {
        if self.message == self.count {
            return None;
        }
        let Received { source, bytes, segment_bytes, .. } = self.received[self.message];
        let bytes = bytes.min(GRO_BYTES);
        let start = self.message * GRO_BYTES + self.offset;
        let length = segment_bytes.max(1).min(bytes - self.offset);
        self.offset += length;
        // Also for an empty datagram, of which there is one.
        if self.offset >= bytes {
            (self.message, self.offset) = (self.message + 1, 0);
        }
        Some((&mut self.buffer[start..start + length], source))
    }
}
