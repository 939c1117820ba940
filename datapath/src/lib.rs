//! The native part of offhook.
//!
//! Protocol logic lives in plain Rust modules that do no I/O and know no Python ([`sctp`]); the `python` module is the
//! thin face that the private Python module `offhook_datapath` shows. Nothing here is unsafe: the module that will own
//! batched sockets is the only place where that may change.

#![deny(unsafe_code)]

pub mod build_info;
pub mod sctp;
pub mod wire;

#[cfg(feature = "python")]
mod python;
