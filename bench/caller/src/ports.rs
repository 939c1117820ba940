//! A UDP socket for each caller, on one address: how many callers of one machine reach another one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::event::epoll;

const MOST_READY: usize = 256;
const LARGEST_DATAGRAM_BYTES: usize = 2_048;
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// Sockets by the number of their caller.
pub struct Ports {
    address: Ipv4Addr,
    epoll: OwnedFd,
    sockets: Vec<Option<UdpSocket>>,
    ready: Vec<u64>,
    /// Datagrams that the kernel would not take.
    pub unsent: u64,
}

impl Ports {
    /// None yet. Descriptors are made as many as this process may have.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(address: Ipv4Addr) -> io::Result<Self> {
        let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        limit.current = limit.maximum;
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { address, epoll, sockets: Vec::new(), ready: Vec::new(), unsent: 0 })
    }

    /// Readable when a datagram has come for anybody.
    #[must_use]
    pub fn readable(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Gives the next caller a socket. Returns where it is bound.
    ///
    /// # Errors
    /// The kernel's; the caller then has none.
    pub fn add(&mut self) -> io::Result<SocketAddr> {
        let slot = self.sockets.len() as u64;
        self.sockets.push(None);
        let socket = UdpSocket::bind((self.address, 0))?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(slot), epoll::EventFlags::IN)?;
        let address = socket.local_addr()?;
        self.sockets[slot as usize] = Some(socket);
        Ok(address)
    }

    /// Hands over what has arrived: whose, where from, and the datagram. False if nothing had.
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive(&mut self, mut take: impl FnMut(u32, SocketAddr, &[u8])) -> io::Result<bool> {
        let mut events = Vec::with_capacity(MOST_READY);
        epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&rustix::event::Timespec::default()),
        )?;
        self.ready.clear();
        self.ready.extend(events.iter().map(|event| event.data.u64()));
        let mut buffer = [0; LARGEST_DATAGRAM_BYTES];
        for slot in &self.ready {
            let Some(Some(socket)) = self.sockets.get(*slot as usize) else { continue };
            // An ICMP error of an earlier datagram is no reason to listen no more.
            while let Ok((length, source)) = socket.recv_from(&mut buffer) {
                take(*slot as u32, source, &buffer[..length]);
            }
        }
        Ok(!self.ready.is_empty())
    }

    /// Sends a caller's datagram.
    pub fn send(&mut self, slot: u32, destination: SocketAddr, datagram: &[u8]) {
        let Some(Some(socket)) = self.sockets.get(slot as usize) else { return };
        if socket.send_to(datagram, destination).is_err() {
            self.unsent += 1;
        }
    }

    /// A caller is gone.
    pub fn close(&mut self, slot: u32) {
        if let Some(socket) = self.sockets.get_mut(slot as usize) {
            // The kernel takes a closed one out of the set.
            *socket = None;
        }
    }
}
