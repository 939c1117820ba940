//! Why a datagram was discarded.

/// Declares the enum, its order and its slugs in one place.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $slug:literal,)*) => {
        /// The one list of reasons, shared with Python's `wire.drop`: the same slugs in the same order, so a counter is
        /// an array slot. Add new reasons at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All reasons, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The `reason` label of the drop metrics.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)*
                }
            }
        }
    };
}

drop_reasons! {
    /// Relay, transceiver: a datagram without payload; behind an SPP header on the inner side.
    EmptyDatagram = "empty_datagram",
    /// Relay, transceiver: longer than the receive buffer or than what the next hop can carry with its SPP header.
    OversizedDatagram = "oversized_datagram",
    /// Relay, transceiver: the first bytes belong to no protocol of RFC 7983 and RFC 9443.
    UnknownKind = "unknown_kind",
    /// Relay, transceiver: a protocol that is known but not carried here (ZRTP, TURN channels, QUIC).
    UnsupportedKind = "unsupported_kind",
    /// Relay, transceiver: looks like STUN, but its header, an attribute or its FINGERPRINT is wrong.
    MalformedStun = "malformed_stun",
    /// Relay, transceiver: STUN, but not a Binding message, or a class that is not expected there.
    UnexpectedStunMethod = "unexpected_stun_method",
    /// Relay, transceiver: a Binding request without USERNAME before its MESSAGE-INTEGRITY.
    MissingUsername = "missing_username",
    /// Relay, transceiver: a Binding request without MESSAGE-INTEGRITY.
    MissingIntegrity = "missing_integrity",
    /// Relay: USERNAME is not two fragments joined by a colon, or ours does not have the form of a routing ufrag.
    MalformedUfrag = "malformed_ufrag",
    /// Relay: the ufrag names a key configuration that this role does not hold (retired, or not yet delivered).
    UnknownKey = "unknown_key",
    /// Relay: the ufrag decrypts to a block whose check is not zero; nobody with the key minted it.
    ForgedUfrag = "forged_ufrag",
    /// Relay: a genuine ufrag of a cluster that this relay does not serve.
    OtherCluster = "other_cluster",
    /// Relay: a genuine ufrag of a transceiver that this relay is not subscribed to.
    UnknownTransceiver = "unknown_transceiver",
    /// Relay, transceiver: MESSAGE-INTEGRITY does not verify under the password of the ufrag.
    BadIntegrity = "bad_integrity",
    /// Relay: anything but an authenticated check from a client five-tuple that has no flow.
    UnknownFlow = "unknown_flow",
    /// Relay: an authenticated check that would need one flow more than the table may hold.
    FlowTableFull = "flow_table_full",
    /// Relay: a check of a sender whose checks were often wrong, while others need the time. Transceiver: over the
    /// budget of its sender or of its kind.
    RateLimited = "rate_limited",
    /// Relay, transceiver: a datagram on the inner side without a well-formed Simple Proxy Protocol header.
    MalformedSpp = "malformed_spp",
    /// Transceiver: a datagram from an address that is not one of its relays.
    UnknownRelay = "unknown_relay",
    /// Relay: a datagram on the inner side from an address that is not a subscribed transceiver's media address.
    UnknownReturnSource = "unknown_return_source",
    /// Relay: a transceiver's datagram towards a client five-tuple that has no flow to that transceiver.
    UnknownReturnFlow = "unknown_return_flow",
    /// Relay, transceiver: the kernel refused the datagram (full socket buffer, unreachable network).
    SendFailed = "send_failed",
    /// Transceiver: a check for a ufrag that no live session has.
    UnknownUfrag = "unknown_ufrag",
    /// Transceiver: an authenticated check whose transaction id was already seen from another five-tuple.
    ReplayedCheck = "replayed_check",
    /// Transceiver: a check in which the client claims our ICE role; answered with error 487.
    RoleConflict = "role_conflict",
    /// Transceiver: DTLS, SRTP or SRTCP from a five-tuple that no authenticated check has validated.
    UnvalidatedFiveTuple = "unvalidated_five_tuple",
    /// Transceiver: a DTLS record that cannot be one (truncated, impossible length).
    MalformedDtls = "malformed_dtls",
    /// Transceiver: DTLS beyond what a handshake may cost before it has completed.
    DtlsBudget = "dtls_budget",
    /// Transceiver: an RTP header, padding or extension that does not fit its packet.
    MalformedRtp = "malformed_rtp",
    /// Transceiver: an RTCP compound packet that does not fit its lengths.
    MalformedRtcp = "malformed_rtcp",
    /// Transceiver: SRTP or SRTCP before the DTLS handshake has given its keys.
    SrtpNotReady = "srtp_not_ready",
    /// Transceiver: the authentication tag of SRTP or SRTCP does not verify.
    SrtpAuthFailed = "srtp_auth_failed",
    /// Transceiver: an SRTP or SRTCP index that was already received, or is older than the replay window.
    SrtpReplayed = "srtp_replayed",
    /// Transceiver: RTP of a synchronisation source that the session does not accept.
    UnknownSsrc = "unknown_ssrc",
    /// Transceiver: RTP with a payload type that was not negotiated.
    UnknownPayloadType = "unknown_payload_type",
    /// Transceiver: an RTP packet that arrived after its turn in the sequence had passed.
    LatePacket = "late_packet",
    /// Relay, transceiver: a bounded queue had no room.
    QueueFull = "queue_full",
    /// Transceiver: traffic of a session that has already ended.
    SessionClosed = "session_closed",
    /// Relay: an authenticated check that would need one flow more than its source may have.
    SourceFlowLimit = "source_flow_limit",
    /// Relay: a check whose integrity was not computed, because more such checks come than a thread has time for.
    CheckBudget = "check_budget",
    /// Relay: an authenticated check that would make one flow more per second than all sources together may.
    NewFlowBudget = "new_flow_budget",
    /// Transceiver: an SCTP packet or a data channel message that makes no sense, or is more than its sender may send.
    RefusedData = "refused_data",
    /// Transceiver: RTCP of a type or feedback format that this end does not know; the rest of its compound is heard.
    UnknownRtcp = "unknown_rtcp",
    /// Transceiver: an authentic check that demands an attribute unknown here; answered with error 420.
    UnknownStunAttribute = "unknown_stun_attribute",
}

/// How many reasons there are.
pub const DROP_REASONS: usize = DropReason::ALL.len();

/// Discarded datagrams, in the order of [`DropReason::ALL`].
#[derive(Clone, Debug)]
pub struct DropCounts(pub [u64; DROP_REASONS]);

impl Default for DropCounts {
    fn default() -> Self {
        Self([0; DROP_REASONS])
    }
}

impl DropCounts {
    /// Several datagrams were discarded for one reason.
    pub fn add(&mut self, reason: DropReason, datagrams: usize) {
        self.0[reason as usize] += datagrams as u64;
    }
}
