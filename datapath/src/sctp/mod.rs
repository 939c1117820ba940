//! SCTP over DTLS for WebRTC data channels, without I/O.
//!
//! [RFC 8261](https://www.rfc-editor.org/rfc/rfc8261) (SCTP packets as DTLS application data) and the SCTP half of
//! [RFC 8831](https://www.rfc-editor.org/rfc/rfc8831). The protocol itself is the `sctp-proto` crate; this module adds
//! the bounds and the guards that a server facing strangers needs.
#![forbid(unsafe_code)]

mod association;
mod backlog;
mod clock;
mod error;
mod limits;
mod packet;

pub use association::{Message, Reliability, Sctp, State};
pub use error::SctpError;
pub use limits::Limits;
