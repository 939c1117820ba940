//! The system calls that std and rustix do not wrap: recvmmsg, sendmmsg, and sendmsg with `UDP_SEGMENT`.
//!
//! Every message header is built on the stack for one call and points only into arguments that the call borrows, so
//! no pointer outlives it. A header costs about 4 ns to set up, a system call some hundred: there is nothing to keep.
#![allow(unsafe_code)]
// Lengths and counts given to the kernel are bounded by BATCH and by sizes of structures.
#![allow(clippy::cast_possible_truncation)]

use std::io::{self, IoSlice};
use std::mem::{size_of, zeroed, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null_mut;

use libc::{c_int, c_uint, c_void, cmsghdr, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6, socklen_t};

use super::{BATCH, TRAIN_SEGMENTS};
use crate::wire::endpoint::Endpoint;

/// `UDP_GRO` and the traffic class.
const RECEIVE_CONTROL_BYTES: usize = 2 * control_space(size_of::<c_int>());
/// The traffic class.
const CLASS_CONTROL_BYTES: usize = control_space(size_of::<c_int>());
/// `UDP_SEGMENT` and the traffic class.
const TRAIN_CONTROL_BYTES: usize = control_space(size_of::<u16>()) + CLASS_CONTROL_BYTES;

/// Below the DSCP in the traffic class octet, see `relay/engine/dscp.py`.
const ECN_BITS: u32 = 2;

/// What [`receive`] says about one message.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Where it came from.
    pub source: Endpoint,
    /// Its length on the wire, which may be more than its slot took.
    pub bytes: usize,
    /// Length of each datagram in it, the last perhaps shorter. `bytes` unless GRO has joined several.
    pub segment_bytes: usize,
    /// Its DSCP, where the socket was opened with [`super::SocketOptions::dscp`]. GRO joins only what has the same.
    pub dscp: u8,
}

impl Received {
    /// A placeholder to be overwritten.
    pub const NONE: Self = Self { source: Endpoint { host: [0; 16], port: 0 }, bytes: 0, segment_bytes: 0, dscp: 0 };
}

/// One datagram for [`send_each`].
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where to; of the socket's family.
    pub destination: Endpoint,
    /// The payload.
    pub datagram: &'a [u8],
    /// How it is marked, 0 to 63. Always sent as Not-ECT.
    pub dscp: u8,
}

impl Outgoing<'_> {
    /// A placeholder to be overwritten.
    pub const NONE: Self = Self { destination: Received::NONE.source, datagram: &[], dscp: 0 };
}

/// A control buffer; the kernel wants it aligned as its header is.
#[repr(C)]
union Control<const N: usize> {
    _align: cmsghdr,
    bytes: [u8; N],
}

impl<const N: usize> Control<N> {
    const EMPTY: Self = Self { bytes: [0; N] };
}

/// A socket address of either family.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

/// Takes up to [`BATCH`] messages that are waiting: message i goes to the i-th slot of `stride` bytes in `buffer`,
/// leaving `headroom` bytes free in front, and is described in `received[i]`. Returns how many.
///
/// Errors with `WouldBlock` when none is waiting.
pub fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    stride: usize,
    headroom: usize,
    received: &mut [Received],
) -> io::Result<usize> {
    let mut names = [const { MaybeUninit::<Name>::uninit() }; BATCH];
    let mut controls = [const { MaybeUninit::<Control<RECEIVE_CONTROL_BYTES>>::uninit() }; BATCH];
    let mut slices = [const { MaybeUninit::<iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; BATCH];
    let mut count = 0;
    for (slot, _) in buffer.chunks_exact_mut(stride).zip(received.iter()).take(BATCH) {
        let room = &mut slot[headroom..];
        let slice = slices[count].write(iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() });
        headers[count].write(mmsghdr {
            msg_hdr: msghdr {
                msg_name: names[count].as_mut_ptr().cast(),
                msg_namelen: size_of::<Name>() as socklen_t,
                msg_control: controls[count].as_mut_ptr().cast(),
                msg_controllen: RECEIVE_CONTROL_BYTES as _,
                ..header(slice, 1)
            },
            msg_len: 0,
        });
        count += 1;
    }
    // SAFETY: the first `count` headers are initialised and describe buffers that outlive the call and do not overlap.
    let filled = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr().cast(),
            count as c_uint,
            libc::MSG_DONTWAIT | libc::MSG_TRUNC,
            null_mut(),
        )
    };
    let filled = usize::try_from(filled).map_err(|_| io::Error::last_os_error())?;
    for (message, (header, name)) in received.iter_mut().zip(headers.iter().zip(&names)).take(filled) {
        // SAFETY: the kernel has filled these headers, their names, and as much of their controls as they say.
        *message = unsafe { describe(header.assume_init_ref(), name.assume_init_ref()) };
    }
    Ok(filled)
}

/// # Safety
/// The kernel has filled the header, and with it the name and the control buffer that it points to.
unsafe fn describe(header: &mmsghdr, name: &Name) -> Received {
    let bytes = header.msg_len as usize;
    let mut received = Received { source: unsafe { endpoint(name) }, bytes, segment_bytes: bytes, dscp: 0 };
    let mut control = unsafe { libc::CMSG_FIRSTHDR(&raw const header.msg_hdr) };
    while let Some(found) = unsafe { control.as_ref() } {
        let data = unsafe { libc::CMSG_DATA(control) };
        match (found.cmsg_level, found.cmsg_type) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                let segment = unsafe { data.cast::<c_int>().read_unaligned() };
                received.segment_bytes = usize::try_from(segment).unwrap_or(bytes);
            }
            (libc::SOL_IP, libc::IP_TOS) => received.dscp = unsafe { data.read() } >> ECN_BITS,
            (libc::SOL_IPV6, libc::IPV6_TCLASS) => {
                received.dscp = (unsafe { data.cast::<u32>().read_unaligned() } as u8) >> ECN_BITS;
            }
            _ => {}
        }
        control = unsafe { libc::CMSG_NXTHDR(&raw const header.msg_hdr, control) };
    }
    received
}

/// Sends up to [`BATCH`] datagrams in order; returns how many went. Errors when the first did not.
pub fn send_each(socket: impl AsFd, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut names = [const { MaybeUninit::<Name>::uninit() }; BATCH];
    let mut slices = [const { MaybeUninit::<iovec>::uninit() }; BATCH];
    let mut controls = [const { MaybeUninit::<Control<CLASS_CONTROL_BYTES>>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; BATCH];
    let mut count = 0;
    for outgoing in datagrams.iter().take(BATCH) {
        let (base, length) = (outgoing.datagram.as_ptr().cast_mut().cast::<c_void>(), outgoing.datagram.len());
        let slice = slices[count].write(iovec { iov_base: base, iov_len: length });
        let (name, name_bytes) = name_of(&outgoing.destination);
        let message = headers[count].write(mmsghdr {
            msg_hdr: msghdr {
                msg_name: std::ptr::from_mut(names[count].write(name)).cast(),
                msg_namelen: name_bytes,
                ..header(slice, 1)
            },
            msg_len: 0,
        });
        if outgoing.dscp != 0 {
            give_control(&mut message.msg_hdr, controls[count].write(Control::EMPTY));
            // SAFETY: the control buffer has room for one int.
            unsafe {
                let control = libc::CMSG_FIRSTHDR(&raw const message.msg_hdr);
                put_class(control, &outgoing.destination, outgoing.dscp);
            }
        }
        count += 1;
    }
    // SAFETY: the first `count` headers are initialised; the kernel only reads what they point to, which outlives the call.
    let sent = unsafe {
        libc::sendmmsg(socket.as_fd().as_raw_fd(), headers.as_mut_ptr().cast(), count as c_uint, libc::MSG_DONTWAIT)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Sends one train: datagrams of `segment_bytes` each, the last perhaps shorter, one slice per datagram.
///
/// At most [`TRAIN_SEGMENTS`] and [`super::TRAIN_BYTES`], all with one DSCP. All of them go or none.
pub fn send_train(
    socket: impl AsFd,
    destination: &Endpoint,
    segment_bytes: u16,
    dscp: u8,
    datagrams: &[IoSlice<'_>],
) -> io::Result<()> {
    debug_assert!(datagrams.len() <= TRAIN_SEGMENTS);
    let (mut name, name_bytes) = name_of(destination);
    let mut control = Control::<TRAIN_CONTROL_BYTES>::EMPTY;
    let mut message = header(datagrams.as_ptr().cast_mut().cast(), datagrams.len());
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = name_bytes;
    give_control(&mut message, &mut control);
    // SAFETY: the control buffer has room for a u16 and an int, each behind a header; an IoSlice is guaranteed to have
    // an iovec's layout, and everything the header points to outlives the call, which only reads it.
    let sent = unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const message);
        put(first, libc::SOL_UDP, libc::UDP_SEGMENT, segment_bytes);
        if dscp == 0 {
            message.msg_controllen = control_space(size_of::<u16>()) as _;
        } else {
            put_class(libc::CMSG_NXTHDR(&raw const message, first), destination, dscp);
        }
        libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_DONTWAIT)
    };
    usize::try_from(sent).map(|_| ()).map_err(|_| io::Error::last_os_error())
}

fn give_control<const N: usize>(message: &mut msghdr, control: &mut Control<N>) {
    message.msg_control = std::ptr::from_mut(control).cast();
    message.msg_controllen = N as _;
}

/// # Safety
/// `control` points into a control buffer, with room for a header and an int.
unsafe fn put_class(control: *mut cmsghdr, destination: &Endpoint, dscp: u8) {
    let class = c_int::from(dscp) << ECN_BITS;
    let (level, kind) =
        if destination.is_ipv4() { (libc::SOL_IP, libc::IP_TOS) } else { (libc::SOL_IPV6, libc::IPV6_TCLASS) };
    unsafe { put(control, level, kind, class) };
}

/// # Safety
/// `control` points into a control buffer, with room for a header and the value.
unsafe fn put<T>(control: *mut cmsghdr, level: c_int, kind: c_int, value: T) {
    unsafe {
        (*control).cmsg_level = level;
        (*control).cmsg_type = kind;
        (*control).cmsg_len = libc::CMSG_LEN(size_of::<T>() as c_uint) as _;
        libc::CMSG_DATA(control).cast::<T>().write_unaligned(value);
    }
}

/// Sends one IPv4 datagram that is longer than the path takes from a socket opened with
/// [`super::SocketOptions::whole`]: in fragments.
pub fn send_in_fragments(socket: impl AsFd, datagram: &Outgoing<'_>) -> io::Result<()> {
    set_option(&socket, libc::SOL_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT)?;
    let sent = send_each(&socket, std::slice::from_ref(datagram));
    forbid_fragments(&socket)?;
    sent.map(|_| ())
}

/// Sets `UDP_GRO`.
pub fn enable_gro(socket: impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Sets `IP_PMTUDISC_DO` on an IPv4 socket.
pub fn forbid_fragments(socket: impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SOL_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)
}

fn set_option(socket: impl AsFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the options set here are ints, and the pointer is to one.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A header for some slices and nothing else.
fn header(slices: *mut iovec, count: usize) -> msghdr {
    // SAFETY: all zeros is a valid msghdr: null pointers and zero lengths.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_iov = slices;
    header.msg_iovlen = count as _;
    header
}

const fn control_space(data_bytes: usize) -> usize {
    // SAFETY: CMSG_SPACE is arithmetic.
    unsafe { libc::CMSG_SPACE(data_bytes as c_uint) as usize }
}

/// The socket address of an endpoint: IPv4 for an IPv4-mapped host.
fn name_of(endpoint: &Endpoint) -> (Name, socklen_t) {
    if endpoint.is_ipv4() {
        let host = [endpoint.host[12], endpoint.host[13], endpoint.host[14], endpoint.host[15]];
        let v4 = sockaddr_in {
            sin_family: libc::AF_INET as _,
            sin_port: endpoint.port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(host) },
            sin_zero: [0; 8],
        };
        (Name { v4 }, size_of::<sockaddr_in>() as socklen_t)
    } else {
        let v6 = sockaddr_in6 {
            sin6_family: libc::AF_INET6 as _,
            sin6_port: endpoint.port.to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: endpoint.host },
            sin6_scope_id: 0,
        };
        (Name { v6 }, size_of::<sockaddr_in6>() as socklen_t)
    }
}

/// # Safety
/// The name holds an IPv4 or IPv6 address, as every message of a UDP socket's does.
unsafe fn endpoint(name: &Name) -> Endpoint {
    // SAFETY: both kinds begin with the family, which says which of the two was written.
    unsafe {
        if c_int::from(name.v4.sin_family) == libc::AF_INET {
            let mut host = [0; 16];
            host[10..12].copy_from_slice(&[0xFF, 0xFF]);
            host[12..].copy_from_slice(&name.v4.sin_addr.s_addr.to_ne_bytes());
            Endpoint { host, port: u16::from_be(name.v4.sin_port) }
        } else {
            Endpoint { host: name.v6.sin6_addr.s6_addr, port: u16::from_be(name.v6.sin6_port) }
        }
    }
}
