"""Whether this installation can carry data channels, and how a session gets them.

SCTP is in the native module, which a machine without a Rust compiler lacks. Everything else of a call works there,
so the module is looked for here and nowhere else.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from transceiver.session.data_channel_events import ChannelLimits

if TYPE_CHECKING:
    from transceiver.session.data_channel import DataChannels


def data_channels_supported() -> bool:
    """True where the native module is installed."""
    return find_spec("offhook_datapath") is not None


def open_data_channels(
    *,
    dtls_client: bool,
    now: float,
    peer_max_message_bytes: int | None = None,
    limits: ChannelLimits | None = None,
) -> DataChannels:
    """Data channels for a session whose DTLS has just connected. They wait for the peer's SCTP INIT.

    Args:
        dtls_client: this side's DTLS role, which decides the ids of channels opened here (RFC 8832 section 6).
        now: seconds on the session's clock.
        peer_max_message_bytes: the longest message that the peer takes; None: any.
        limits: bounds; the defaults suit a Realtime client.

    Raises ImportError where `data_channels_supported()` is false, ValueError for limits that contradict each other.
    """
    # Here and not above, so that this module loads where the native one is missing.
    from offhook_datapath import SctpAssociation  # noqa: PLC0415  (reason: the line above)

    from transceiver.session.data_channel import DataChannels  # noqa: PLC0415  (reason: the same)

    limits = limits or ChannelLimits()
    association = SctpAssociation(
        client=False,
        max_message_bytes=limits.max_message_bytes,
        max_buffered_bytes=limits.max_buffered_bytes,
        now=now,
    )
    return DataChannels(
        association, dtls_client=dtls_client, limits=limits, peer_max_message_bytes=peer_max_message_bytes
    )
