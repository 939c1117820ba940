//! One variant per way of misusing an association. A peer's bytes never produce one: those are dropped or close it.

use thiserror::Error;

/// Why a call was refused. The association is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SctpError {
    /// `now` is not a finite number of seconds on the association's clock.
    #[error("now must be finite seconds on one monotonic clock")]
    InvalidTime,
    /// A limit is zero or contradicts another.
    #[error("limits need 1 <= max_message_bytes <= max_buffered_bytes and max_buffered_bytes >= 1500")]
    InvalidLimits,
    /// The handshake has not finished, or the association is closing or closed.
    #[error("the association is not connected")]
    NotConnected,
    /// No stream with this id is open.
    #[error("stream {0} is not open")]
    StreamNotOpen(u16),
    /// The stream is open already, or its reset has not finished yet.
    #[error("stream {0} is in use")]
    StreamInUse(u16),
    /// The peer accepts no stream with this id, or the association has as many as it may.
    #[error("stream {0} is beyond the agreed number of streams")]
    TooManyStreams(u16),
    /// The payload protocol identifier is not one that WebRTC uses: 50, 51, 53, 56, 57.
    #[error("payload protocol identifier {0} is not used by WebRTC")]
    UnknownPpid(u32),
    /// SCTP cannot carry an empty message; WebRTC sends one byte under PPID 56 or 57 instead.
    #[error("an SCTP message has at least one byte")]
    EmptyMessage,
    /// The message is longer than `max_message_bytes`.
    #[error("{0} bytes exceed the largest message")]
    MessageTooLarge(usize),
    /// The bytes waiting to be sent or acknowledged would exceed `max_buffered_bytes`.
    #[error("the send buffer is full")]
    BufferFull,
}
