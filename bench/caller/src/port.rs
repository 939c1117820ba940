//! The one UDP socket of all callers: receives batches with GRO, sends trains with GSO.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::SockRef;

const BUFFER_BYTES: usize = 65_535;
/// The kernel refuses longer trains (`UDP_MAX_SEGMENTS`), and what exceeds a datagram.
const LONGEST_TRAIN: usize = 64;
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// One datagram as it came.
#[derive(Debug)]
pub struct Received<'a> {
    /// Where from.
    pub source: SocketAddr,
    /// Which of this machine's addresses it was sent to.
    pub destination: IpAddr,
    /// Its payload.
    pub datagram: &'a [u8],
}

#[derive(Debug)]
struct Outgoing {
    source: Option<IpAddr>,
    destination: SocketAddr,
    bytes: Range<usize>,
}

/// See the module.
pub struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<Vec<u8>>,
    meta: Vec<RecvMeta>,
    queue: Vec<Outgoing>,
    queued: Vec<u8>,
    /// Datagrams that the kernel would not take.
    pub unsent: u64,
}

impl Port {
    /// Binds.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        let options = SockRef::from(&socket);
        options.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        options.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        Ok(Self {
            socket,
            state,
            buffers: (0..BATCH_SIZE).map(|_| vec![0; BUFFER_BYTES]).collect(),
            meta: vec![RecvMeta::default(); BATCH_SIZE],
            queue: Vec::new(),
            queued: Vec::new(),
            unsent: 0,
        })
    }

    /// The socket, to wait for.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// The kernel's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Hands over one batch of what has arrived. False if nothing had.
    ///
    /// # Errors
    /// What the kernel says but for "try again" and ICMP errors of earlier sends.
    pub fn receive(&mut self, mut take: impl FnMut(Received<'_>)) -> io::Result<bool> {
        let mut slices: Vec<IoSliceMut<'_>> = self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let count = match self.state.recv((&self.socket).into(), &mut slices, &mut self.meta) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(true),
            Err(error) => return Err(error),
        };
        for (meta, buffer) in self.meta[..count].iter().zip(&self.buffers) {
            let Some(destination) = meta.dst_ip else { continue };
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                take(Received { source: meta.addr, destination, datagram });
            }
        }
        Ok(true)
    }

    /// Queues what `write` appends as one datagram.
    pub fn queue(&mut self, source: Option<IpAddr>, destination: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.queued.len();
        write(&mut self.queued);
        self.queue.push(Outgoing { source, destination, bytes: start..self.queued.len() });
    }

    /// Sends what is queued; neighbours between the same addresses and of one length leave as one train.
    pub fn flush(&mut self) {
        let mut rest = &self.queue[..];
        while let [first, ..] = rest {
            let length = first.bytes.len();
            let most = LONGEST_TRAIN.min(self.state.max_gso_segments()).min(BUFFER_BYTES / length.max(1));
            let same = |next: &&Outgoing| {
                (next.source, next.destination, next.bytes.len()) == (first.source, first.destination, length)
            };
            let train = rest.iter().take(most.max(1)).take_while(same).count();
            let transmit = Transmit {
                destination: first.destination,
                ecn: None,
                contents: &self.queued[first.bytes.start..rest[train - 1].bytes.end],
                segment_size: (train > 1).then_some(length),
                src_ip: first.source,
            };
            if self.state.try_send((&self.socket).into(), &transmit).is_err() {
                self.unsent += train as u64;
            }
            rest = &rest[train..];
        }
        self.queue.clear();
        self.queued.clear();
    }
}
