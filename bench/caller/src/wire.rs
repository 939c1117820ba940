//! How datagrams of callers leave and arrive: all on one socket, or each on one of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use crate::envelope::{self, Envelope};
use crate::options::Options;
use crate::port::Port;
use crate::ports::Ports;

/// See the module.
pub enum Wire {
    /// One socket, with GRO and GSO: callers differ by address, or by what the envelope says.
    Shared {
        /// The socket.
        port: Port,
        /// Around every datagram.
        envelope: Envelope,
        /// UDP port of all callers.
        client_port: u16,
    },
    /// A socket each: callers differ by port.
    Own(Ports),
}

impl Wire {
    /// As the options want it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(options: &Options) -> io::Result<Self> {
        if options.own_ports {
            return Ports::open(options.first_address).map(Self::Own);
        }
        let envelope = options.envelope();
        let bind = match envelope {
            Envelope::Plain(_) => Ipv4Addr::UNSPECIFIED,
            Envelope::Spp(_) => Ipv4Addr::LOCALHOST,
        };
        let port = Port::open((bind, 0).into())?;
        let client_port = port.address()?.port();
        Ok(Self::Shared { port, envelope, client_port })
    }

    /// Port that all callers share; 0 where they do not.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        match self {
            Self::Shared { client_port, .. } => *client_port,
            Self::Own(_) => 0,
        }
    }

    /// Makes room for the next caller. Returns its address.
    ///
    /// # Errors
    /// There is no socket left for it.
    pub fn add(&mut self, slot: u32) -> io::Result<SocketAddr> {
        match self {
            Self::Shared { envelope, client_port, .. } => Ok(envelope.client(slot, *client_port)),
            Self::Own(ports) => ports.add(),
        }
    }

    /// A caller is gone.
    pub fn remove(&mut self, slot: u32) {
        if let Self::Own(ports) = self {
            ports.close(slot);
        }
    }

    /// Sends a caller's datagram, or queues it until [`Wire::flush`].
    pub fn send(&mut self, slot: u32, destination: SocketAddr, datagram: &[u8]) {
        match self {
            Self::Own(ports) => ports.send(slot, destination, datagram),
            Self::Shared { port, envelope, client_port } => {
                let client = envelope.client(slot, *client_port);
                match *envelope {
                    Envelope::Plain(_) => {
                        port.queue(Some(client.ip()), destination, |bytes| bytes.extend_from_slice(datagram));
                    }
                    Envelope::Spp(transceiver) => port.queue(None, transceiver, |bytes| {
                        envelope::encode(bytes, client, destination);
                        bytes.extend_from_slice(datagram);
                    }),
                }
            }
        }
    }

    /// Sends what is queued.
    pub fn flush(&mut self) {
        if let Self::Shared { port, .. } = self {
            port.flush();
        }
    }

    /// Hands over one batch of what has arrived: whose, where from, and the datagram. False if nothing had.
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive(&mut self, mut take: impl FnMut(u32, SocketAddr, &[u8])) -> io::Result<bool> {
        match self {
            Self::Own(ports) => ports.receive(take),
            Self::Shared { port, envelope, client_port } => port.receive(|received| {
                let (client, source, datagram) = match envelope {
                    Envelope::Plain(_) => {
                        (SocketAddr::new(received.destination, *client_port), received.source, received.datagram)
                    }
                    Envelope::Spp(_) => match envelope::decode(received.datagram) {
                        Some(parts) => parts,
                        None => return,
                    },
                };
                if let Some(slot) = envelope.slot(client) {
                    take(slot, source, datagram);
                }
            }),
        }
    }

    /// Datagrams that the kernel did not take.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        match self {
            Self::Shared { port, .. } => port.unsent,
            Self::Own(ports) => ports.unsent,
        }
    }
}

impl AsFd for Wire {
    /// Readable when a datagram has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Shared { port, .. } => port.socket().as_fd(),
            Self::Own(ports) => ports.readable().as_fd(),
        }
    }
}
