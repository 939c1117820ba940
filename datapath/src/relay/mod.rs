//! The relay's native engine: threads that steer datagrams between clients and transceivers.
//!
//! ```text
//!            kernel spreads five-tuples
//! client ──▶ public sockets ─┬▶ thread 0: flow table, upstream socket ──GSO──▶ transceiver
//!            (SO_REUSEPORT)  └▶ thread 1: flow table, upstream socket ◀──GRO──
//!                                  ▲ commands (flows, keys, transceivers) from Python and from sibling threads
//! ```
//!
//! It does what the readable engine `relay/engine/python.py` does; one behaviour suite and a differential test hold the
//! two together. A thread owns everything it touches per packet; it hears of the rest between batches.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`flow_table`] | which transceiver a client's five-tuple belongs to |
//! | [`admission`] | which checks are worth an HMAC, and which may make a flow |
//! | [`credentials`] | what a check's ufrag says, and the password that goes with it |
//! | [`source`] | who counts as one sender, and how many flows each has |
//! | [`keyed_hash`] | a hash that nobody outside can aim at |
//! | [`transceivers`] | which transceivers there are, and where |
//! | [`forwarding`] | what happens to one datagram |
//! | [`pace`] | whether to wait for a packet or to let packets gather |
//! | [`command`] | what the control plane tells a thread, and in what steps it is done |
//! | [`counters`] | what a thread counts |
//! | `mailbox` | how the control plane and sibling threads reach a thread |
//! | `batches`, `senders` | a thread's buffers: what has come in, what goes out |
//! | `thread` | the loop around one thread's sockets |
//! | [`engine`] | sockets, threads, commands: what Python drives |

pub mod admission;
mod batches;
pub mod command;
pub mod counters;
pub mod credentials;
pub mod engine;
pub mod flow_table;
pub mod forwarding;
pub mod keyed_hash;
pub mod mailbox;
pub mod pace;
mod senders;
pub mod source;
mod thread;
pub mod transceivers;

/// A client's datagram is at most this long: more than any Ethernet MTU, and a WebRTC client sends about 1,500 bytes.
pub const MAX_DATAGRAM_BYTES: usize = 2048;

/// Milliseconds on an engine's own clock. Wraps after 49 days; only differences mean something.
pub type Millis = u32;
