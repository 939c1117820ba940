"""Why a datagram was discarded: one fixed list for both engines and both roles.

A drop is an expected event, not an error: it is counted under its reason and otherwise leaves no trace. The values
are the `reason` label of `fabric_relay_drops_total` and `fabric_transceiver_drops_total`, so the set of time series is
bounded and a renamed slug breaks dashboards.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class DropReason(StrEnum):
    """A slug per reason. The order is part of the format: native engines count in an array indexed by it.

    Add new reasons at the end; `proto/vectors/drop_reasons.json` pins the list. The role named first in each comment
    is the one that counts the reason.
    """

    # Relay, transceiver: a datagram without payload; behind an SPP header on the inner side.
    EMPTY_DATAGRAM = "empty_datagram"
    # Relay, transceiver: longer than the receive buffer or than what the next hop can carry with its SPP header.
    OVERSIZED_DATAGRAM = "oversized_datagram"
    # Relay, transceiver: the first bytes belong to no protocol of RFC 7983 and RFC 9443.
    UNKNOWN_KIND = "unknown_kind"
    # Relay, transceiver: a protocol that is known but not carried here (ZRTP, TURN channels, QUIC).
    UNSUPPORTED_KIND = "unsupported_kind"
    # Relay, transceiver: looks like STUN, but its header, an attribute or its FINGERPRINT is wrong.
    MALFORMED_STUN = "malformed_stun"
    # Relay, transceiver: STUN, but not a Binding message, or a class that is not expected there.
    UNEXPECTED_STUN_METHOD = "unexpected_stun_method"
    # Relay, transceiver: a Binding request without USERNAME before its MESSAGE-INTEGRITY.
    MISSING_USERNAME = "missing_username"
    # Relay, transceiver: a Binding request without MESSAGE-INTEGRITY.
    MISSING_INTEGRITY = "missing_integrity"
    # Relay: USERNAME is not two fragments joined by a colon, or ours does not have the form of a routing ufrag.
    MALFORMED_UFRAG = "malformed_ufrag"
    # Relay: the ufrag names a key configuration that this role does not hold (retired, or not yet delivered).
    UNKNOWN_KEY = "unknown_key"
    # Relay: the ufrag decrypts to a block whose check is not zero; nobody with the key minted it.
    FORGED_UFRAG = "forged_ufrag"
    # Relay: a genuine ufrag of a cluster that this relay does not serve.
    OTHER_CLUSTER = "other_cluster"
    # Relay: a genuine ufrag of a transceiver that this relay is not subscribed to.
    UNKNOWN_TRANSCEIVER = "unknown_transceiver"
    # Relay, transceiver: MESSAGE-INTEGRITY does not verify under the password of the ufrag.
    BAD_INTEGRITY = "bad_integrity"
    # Relay: anything but an authenticated check from a client five-tuple that has no flow.
    UNKNOWN_FLOW = "unknown_flow"
    # Relay: an authenticated check that would need one flow more than the table may hold.
    FLOW_TABLE_FULL = "flow_table_full"
    # Relay: a check of a sender whose checks were often wrong, while others need the time. Transceiver: over the
    # budget of its sender or of its kind.
    RATE_LIMITED = "rate_limited"
    # Relay, transceiver: a datagram on the inner side without a well-formed Simple Proxy Protocol header.
    MALFORMED_SPP = "malformed_spp"
    # Transceiver: a datagram from an address that is not one of its relays.
    UNKNOWN_RELAY = "unknown_relay"
    # Relay: a datagram on the inner side from an address that is not a subscribed transceiver's media address.
    UNKNOWN_RETURN_SOURCE = "unknown_return_source"
    # Relay: a transceiver's datagram towards a client five-tuple that has no flow to that transceiver.
    UNKNOWN_RETURN_FLOW = "unknown_return_flow"
    # Relay, transceiver: the kernel refused the datagram (full socket buffer, unreachable network).
    SEND_FAILED = "send_failed"
    # Transceiver: a check for a ufrag that no live session has.
    UNKNOWN_UFRAG = "unknown_ufrag"
    # Transceiver: an authenticated check whose transaction id was already seen from another five-tuple.
    REPLAYED_CHECK = "replayed_check"
    # Transceiver: a check in which the client claims our ICE role; answered with error 487.
    ROLE_CONFLICT = "role_conflict"
    # Transceiver: DTLS, SRTP or SRTCP from a five-tuple that no authenticated check has validated.
    UNVALIDATED_FIVE_TUPLE = "unvalidated_five_tuple"
    # Transceiver: a DTLS record that cannot be one (truncated, impossible length).
    MALFORMED_DTLS = "malformed_dtls"
    # Transceiver: DTLS beyond what a handshake may cost before it has completed.
    DTLS_BUDGET = "dtls_budget"
    # Transceiver: an RTP header, padding or extension that does not fit its packet.
    MALFORMED_RTP = "malformed_rtp"
    # Transceiver: an RTCP compound packet that does not fit its lengths.
    MALFORMED_RTCP = "malformed_rtcp"
    # Transceiver: SRTP or SRTCP before the DTLS handshake has given its keys.
    SRTP_NOT_READY = "srtp_not_ready"
    # Transceiver: the authentication tag of SRTP or SRTCP does not verify.
    SRTP_AUTH_FAILED = "srtp_auth_failed"
    # Transceiver: an SRTP or SRTCP index that was already received, or is older than the replay window.
    SRTP_REPLAYED = "srtp_replayed"
    # Transceiver: RTP of a synchronisation source that the session does not accept.
    UNKNOWN_SSRC = "unknown_ssrc"
    # Transceiver: RTP with a payload type that was not negotiated.
    UNKNOWN_PAYLOAD_TYPE = "unknown_payload_type"
    # Transceiver: an RTP packet that arrived after its turn in the sequence had passed.
    LATE_PACKET = "late_packet"
    # Relay, transceiver: a bounded queue had no room.
    QUEUE_FULL = "queue_full"
    # Transceiver: traffic of a session that has already ended.
    SESSION_CLOSED = "session_closed"
    # Relay: an authenticated check that would need one flow more than its source may have.
    SOURCE_FLOW_LIMIT = "source_flow_limit"
    # Relay: a check whose integrity was not computed, because more such checks come than a thread has time for.
    CHECK_BUDGET = "check_budget"
    # Relay: an authenticated check that would make one flow more per second than all sources together may.
    NEW_FLOW_BUDGET = "new_flow_budget"
    # Transceiver: an SCTP packet or a data channel message that makes no sense, or is more than its sender may send.
    REFUSED_DATA = "refused_data"
    # Transceiver: RTCP of a type or feedback format that this end does not know; the rest of its compound is heard.
    UNKNOWN_RTCP = "unknown_rtcp"
    # Transceiver: an authentic check that demands an attribute unknown here; answered with error 420.
    UNKNOWN_STUN_ATTRIBUTE = "unknown_stun_attribute"
