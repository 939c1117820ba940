//! Datagrams that leave one by one, in as few system calls as it fits.

use std::io::{Error, ErrorKind};
use std::net::UdpSocket;

use rustix::io::Errno;

use super::{send_each, send_in_fragments, Outgoing, BATCH};

/// Up to [`BATCH`] datagrams for one socket.
pub struct Pending<'a> {
    datagrams: [Outgoing<'a>; BATCH],
    count: usize,
}

impl Default for Pending<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Pending<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { datagrams: [Outgoing::NONE; BATCH], count: 0 }
    }

    /// Adds one; there must be room.
    pub fn push(&mut self, datagram: Outgoing<'a>) {
        self.datagrams[self.count] = datagram;
        self.count += 1;
    }

    /// Whether there is no more room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == BATCH
    }

    /// Sends them in order. Returns how many went, their bytes, and how many the kernel refused.
    pub fn flush(&mut self, socket: &UdpSocket) -> (usize, usize, usize) {
        let (mut sent, mut bytes, mut refused) = (0, 0, 0);
        let mut rest = &self.datagrams[..self.count];
        self.count = 0;
        while !rest.is_empty() {
            let gone = match send_each(socket, rest) {
                Ok(gone) => gone,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // The socket's buffer is full: media does not wait.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (sent, bytes, refused + rest.len()),
                Err(error) if is_too_long(&error) && send_in_fragments(socket, &rest[0]).is_ok() => 1,
                // This one datagram cannot go.
                Err(_) => {
                    refused += 1;
                    rest = &rest[1..];
                    continue;
                }
            };
            sent += gone;
            bytes += rest[..gone].iter().map(|outgoing| outgoing.datagram.len()).sum::<usize>();
            rest = &rest[gone..];
        }
        (sent, bytes, refused)
    }
}

/// The path takes no datagram of this length in one piece.
fn is_too_long(error: &Error) -> bool {
    error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error())
}
