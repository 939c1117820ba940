//! Which protocol a datagram belongs to, from its first one or two bytes.
//!
//! [RFC 7983 §7](https://www.rfc-editor.org/rfc/rfc7983#section-7) as updated by
//! [RFC 9443 §3](https://www.rfc-editor.org/rfc/rfc9443#section-3), and
//! [RFC 5761 §4](https://www.rfc-editor.org/rfc/rfc5761#section-4) for RTP and RTCP on one port.

/// What a datagram looks like. It says nothing about whether the rest of the datagram is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 128 to 191, and not RTCP.
    Srtp,
    /// First byte 128 to 191, second byte 192 to 223.
    Srtcp,
    /// First byte 16 to 19.
    Zrtp,
    /// First byte 64 to 79; also open to QUIC, and nothing here speaks either.
    TurnChannel,
    /// First byte 80 to 127 (short header) or 192 to 255 (long header).
    Quic,
    /// Everything else: an empty datagram, 4 to 15, or one single byte of RTP or RTCP.
    Unknown,
}

/// Names the protocol of a datagram.
#[must_use]
pub fn classify(datagram: &[u8]) -> Kind {
    match *datagram {
        [0..=3, ..] => Kind::Stun,
        [16..=19, ..] => Kind::Zrtp,
        [20..=63, ..] => Kind::Dtls,
        [64..=79, ..] => Kind::TurnChannel,
        [80..=127 | 192..=255, ..] => Kind::Quic,
        [128..=191, 192..=223, ..] => Kind::Srtcp,
        [128..=191, _, ..] => Kind::Srtp,
        _ => Kind::Unknown,
    }
}
