//! Datagram formats that the relay and the transceiver share: the native twin of the Python package `wire`.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`endpoint`] | one end of a UDP flow, as the 18 bytes the wire carries |
//! | [`drop_reason`] | the one list of reasons for which a datagram is discarded |
//! | [`demux`] | which protocol a datagram belongs to, from its first bytes |
//! | [`stun`] | the parts of a STUN Binding request that routing needs, and its MESSAGE-INTEGRITY |
//! | [`ufrag`] | routing ufrags and the ICE passwords derived from them |
//! | [`spp`] | the Simple Proxy Protocol header between relay and transceiver |
//!
//! The Python modules hold the byte diagrams and the reasons; `proto/vectors/` pins both implementations
//! (`tests/wire_vectors.rs`). Bytes from the network never panic here, and nothing here allocates: a function returns
//! what it read, borrowed from the datagram, or the [`drop_reason::DropReason`] to count.

pub mod demux;
pub mod drop_reason;
pub mod endpoint;
pub mod spp;
pub mod stun;
pub mod ufrag;
