//! The numbers that bound one association.

use std::sync::Arc;

use sctp_proto::{EndpointConfig, ServerConfig, TransportConfig};

use super::SctpError;

/// Largest SCTP packet sent, in bytes. With DTLS (37) and UDP over IPv6 (48) it stays below the 1280 bytes that every
/// IPv6 path carries, with room for the 38-byte envelope on the way to the relay
/// ([RFC 8261 section 5](https://www.rfc-editor.org/rfc/rfc8261#section-5): SCTP must not be fragmented below). A
/// multiple of four, because the last chunk is padded to one.
pub(super) const MTU_BYTES: u32 = 1148;
/// SCTP common header plus DATA chunk header, [RFC 9260 section 3](https://www.rfc-editor.org/rfc/rfc9260#section-3).
const HEADER_BYTES: u32 = 12 + 16;
/// Largest SCTP packet taken from a peer. Peers keep to a path MTU near 1200; the bound keeps a tiny fragment from
/// pinning a 16 KiB DTLS record in the reassembly queue.
pub(super) const MAX_DATAGRAM_BYTES: usize = 2048;
/// Streams of one association, as many as browsers open (RFC 8831 section 6.2 asks for more, which only costs memory).
pub(super) const MAX_STREAMS: u16 = 1024;
/// Retransmission time-outs in milliseconds. RFC 9260 section 16 suggests 1 s, 1 s, 60 s for bulk data; a voice session
/// ends after 30 s without consent, so waiting longer than a few seconds for a retry would outlast the call.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 400;
const RTO_MAX_MS: u64 = 5_000;
/// Smallest receive window that SCTP allows to be advertised (RFC 9260 section 3.3.2).
const MIN_WINDOW_BYTES: u32 = 1500;

/// Bounds of one association, chosen by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message in bytes, both ways. A longer one from the peer closes the association.
    pub max_message_bytes: u32,
    /// Most bytes buffered in each direction: unsent or unacknowledged, and received but not taken.
    pub max_buffered_bytes: u32,
}

impl Limits {
    pub(super) fn check(self) -> Result<(), SctpError> {
        let fits = 1 <= self.max_message_bytes && self.max_message_bytes <= self.max_buffered_bytes;
        if fits && self.max_buffered_bytes >= MIN_WINDOW_BYTES {
            Ok(())
        } else {
            Err(SctpError::InvalidLimits)
        }
    }

    pub(super) fn transport(self) -> Arc<TransportConfig> {
        Arc::new(
            TransportConfig::default()
                .with_max_receive_buffer_size(self.max_buffered_bytes)
                .with_max_receive_message_size(self.max_message_bytes)
                .with_max_send_message_size(self.max_message_bytes)
                .with_max_num_inbound_streams(MAX_STREAMS)
                .with_max_num_outbound_streams(MAX_STREAMS)
                // Without limit: consent and set-up timers of the session decide when a silent peer is gone.
                .with_max_init_retransmits(None)
                .with_max_data_retransmits(None)
                .with_rto_initial_ms(RTO_INITIAL_MS)
                .with_rto_min_ms(RTO_MIN_MS)
                .with_rto_max_ms(RTO_MAX_MS),
        )
    }

    pub(super) fn endpoint() -> Arc<EndpointConfig> {
        let mut config = EndpointConfig::new();
        config.max_payload_size(MTU_BYTES - HEADER_BYTES);
        Arc::new(config)
    }

    pub(super) fn server(transport: Arc<TransportConfig>) -> Arc<ServerConfig> {
        let mut config = ServerConfig::new();
        config.transport = transport;
        Arc::new(config)
    }
}
