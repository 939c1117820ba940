//! The native part of offhook.
//!
//! Protocol logic lives in plain Rust modules that do no I/O and know no Python ([`wire`], [`sctp`], [`audio`], most of
//! [`relay`]);
//! the `python` module is the thin face that the private Python module `offhook_datapath` shows. `unsafe` is allowed in
//! one file, `udp/syscalls.rs`, for the system calls that move many datagrams at once.

#![deny(unsafe_code)]

#[cfg(feature = "transceiver")]
pub mod audio;
pub mod build_info;
#[cfg(feature = "transceiver")]
pub mod media;
pub mod relay;
#[cfg(feature = "transceiver")]
pub mod sctp;
pub mod udp;
pub mod wire;

#[cfg(feature = "python")]
mod python;
