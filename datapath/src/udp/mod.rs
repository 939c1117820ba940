//! Batched UDP sockets: several datagrams per system call, GRO in and GSO out.
//!
//! Linux only. [`socket`] opens them; [`receive`], [`send_each`] and [`send_train`] move datagrams, [`Trains`] decides
//! which leave together. Buffers belong to the caller and nothing is allocated. `syscalls` is the one place of this crate
//! where `unsafe` is allowed.

mod pending;
mod socket;
mod syscalls;
mod trains;

pub use pending::Pending;
pub use socket::{leave_group, open, SocketOptions};
pub use syscalls::{enable_gro, receive, send_each, send_in_fragments, send_train, Outgoing, Received};
pub use trains::{first_train, Item, Trains};

/// Most datagrams that one call of [`receive`] or [`send_each`] moves.
pub const BATCH: usize = 64;

/// Most datagrams in a train: the kernel's `UDP_MAX_SEGMENTS` was 64 before Linux 6.10.
pub const TRAIN_SEGMENTS: usize = 64;

/// Most bytes in a train: what a UDP payload can be over IPv4, whose headers count.
pub const TRAIN_BYTES: usize = 65_507;

/// A receive buffer of this size takes any datagram and any train that GRO makes.
pub const GRO_BYTES: usize = 65_536;
