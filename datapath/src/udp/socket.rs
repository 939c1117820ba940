//! How a UDP socket is opened.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::{bind, socket_with, sockopt, AddressFamily, SocketFlags, SocketType};

use super::syscalls::{enable_gro, forbid_fragments};

/// What differs between sockets.
#[allow(clippy::struct_excessive_bools)] // each is a socket option, on or off
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketOptions {
    /// `SO_REUSEPORT`: several sockets share the address and the kernel spreads five-tuples over them.
    pub shared: bool,
    /// An IPv6 socket takes IPv4 as well, from mapped addresses.
    pub dual_stack: bool,
    /// `UDP_GRO`: trains arrive whole, see [`super::Received::segment_bytes`].
    pub gro: bool,
    /// `IP_RECVTOS` or `IPV6_RECVTCLASS`: see [`super::Received::dscp`].
    pub dscp: bool,
    /// `IP_PMTUDISC_DO` over IPv4: a datagram that is longer than the path is refused with `EMSGSIZE`, and goes by
    /// [`super::send_in_fragments`]. The others then need no identification
    /// ([RFC 6864 §4.1](https://www.rfc-editor.org/rfc/rfc6864#section-4.1)), whose choice is a cache miss for each
    /// destination: a twentieth of the cost of forwarding.
    pub whole: bool,
    /// `SO_RCVBUF` and `SO_SNDBUF`; the kernel caps both at its `net.core.*mem_max`.
    pub buffer_bytes: usize,
}

/// Opens a non-blocking socket bound to an address.
///
/// Errors are the system's: the address is in use, or not one of this host's.
pub fn open(address: SocketAddr, options: SocketOptions) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    if options.shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !options.dual_stack)?;
    }
    if options.dscp && address.is_ipv4() {
        sockopt::set_ip_recvtos(&socket, true)?;
    } else if options.dscp {
        sockopt::set_ipv6_recvtclass(&socket, true)?;
    }
    sockopt::set_socket_recv_buffer_size(&socket, options.buffer_bytes)?;
    sockopt::set_socket_send_buffer_size(&socket, options.buffer_bytes)?;
    if options.gro {
        enable_gro(&socket)?;
    }
    if options.whole && address.is_ipv4() {
        forbid_fragments(&socket)?;
    }
    bind(&socket, &address)?;
    Ok(UdpSocket::from(socket))
}

/// Takes a socket out of those that share its address, and leaves it its queue.
///
/// It is connected to itself: the kernel passes over connected sockets when it spreads clients over a group. One bound to
/// every interface is connected to `public` instead, as connecting fixes the address that it sends from; with neither, it
/// stays in the group.
///
/// Errors are the system's: there is no route to `public`.
pub fn leave_group(socket: &UdpSocket, public: SocketAddr) -> io::Result<()> {
    let bound = socket.local_addr()?;
    let ip = if bound.ip().is_unspecified() { public.ip() } else { bound.ip() };
    if ip.is_unspecified() {
        return Ok(());
    }
    socket.connect(SocketAddr::new(ip, bound.port()))
}
