"""A client that sends faster than it reads is slowed down; nothing it was let send is lost, and nothing grows."""

import time
from typing import cast

import pytest

from transceiver.calls.event_channel import EventChannel
from transceiver.hub import HubCounters, SessionHub
from transceiver.session.data_channel_events import ChannelError, ChannelLimits, MessageReceived
from transceiver.session.session import Session
from wire.drop import DropReason

datapath = pytest.importorskip("offhook_datapath", reason="the native module is not built here")

MESSAGE_BYTES = 50_000
LIMITS = ChannelLimits()
_PPID_DCEP = 50
MOST_IN_FLIGHT_BYTES = 4 * LIMITS.max_buffered_bytes
"""What the two buffers of either side hold."""


class Echo:
    """An event channel that answers each message with itself, and a client that reads when it is told to."""

    call_id = "rtc_test"
    is_dtls_client = True
    peer_max_message_bytes = None

    def __init__(self) -> None:
        # Here and not above: the module needs the native one.
        from transceiver.session.data_channel import DataChannels  # noqa: PLC0415 - see the line above

        self.now = time.monotonic()
        self._association = datapath.SctpAssociation(
            client=True,
            max_message_bytes=LIMITS.max_message_bytes,
            max_buffered_bytes=LIMITS.max_buffered_bytes,
            now=self.now,
        )
        self.client = DataChannels(self._association, dtls_client=False, limits=LIMITS)
        self.counters = HubCounters()
        self.channel = EventChannel(
            cast("SessionHub", self), cast("Session", self), opened=lambda: None, heard=self._echo
        )
        self._down: list[bytes] = []
        self.channel.connected(self.now)
        self.cross()
        self.channel_id = self.client.open("other")
        self.read()

    def send_application_data(self, _session: Session, packet: bytes, _now: float) -> None:
        """What the channel asks of the hub."""
        self._down.append(packet)

    def _echo(self, message: MessageReceived) -> None:
        self.channel.send_message(message.channel_id, message.data, self.now)

    def cross(self) -> None:
        """Carries packets both ways until none is left; the client does not look at what arrives."""
        while (up := self.client.take_datagrams()) or self._down:
            for packet in up:
                self.channel.receive(packet, self.now)
            down, self._down = self._down, []
            for packet in down:
                self.client.receive(packet, self.now)

    def read(self) -> list[bytes]:
        """All that has come, and that comes while the client reads."""
        messages: list[bytes] = []
        self.cross()
        # Beneath the client's own data channels, which would push back as well.
        while (message := self._association.take_message()) is not None:
            messages += [message[2]] if message[1] != _PPID_DCEP else []
            self.cross()
        return messages

    def read_at_last(self, count: int) -> list[bytes]:
        """So many messages, however many timers that takes."""
        messages = self.read()
        for _ in range(100):
            if len(messages) >= count:
                break
            due = self.client.next_timeout()
            self.now = max(self.now, due or 0.0) + 0.01
            self.client.handle_timeout(self.now)
            messages += self.read()
        return messages

    def send_until_refused(self) -> int:
        """Sends numbered messages until there is no room for another, wherever it went."""
        sent = 0
        while True:
            try:
                self.client.send_binary(self.channel_id, sent.to_bytes(4, "big") * (MESSAGE_BYTES // 4))
            except ChannelError:
                before = self.client.buffered_amount(self.channel_id)
                self.cross()
                if self.client.buffered_amount(self.channel_id) == before:
                    return sent
            else:
                sent += 1


async def test_a_client_that_never_reads_is_stopped_and_loses_nothing() -> None:
    echo = Echo()
    sent = echo.send_until_refused()
    assert sent * MESSAGE_BYTES < MOST_IN_FLIGHT_BYTES
    heard = echo.read_at_last(sent)
    assert [int.from_bytes(message[:4], "big") for message in heard] == list(range(sent))
    assert echo.counters.drops == {}
    echo.channel.close()


async def test_a_client_that_reads_may_send_without_end() -> None:
    echo = Echo()
    total, heard = 0, 0
    while total < 64 * 1_048_576:
        for _ in range(4):
            echo.client.send_binary(echo.channel_id, bytes(MESSAGE_BYTES))
            total += MESSAGE_BYTES
        heard += sum(map(len, echo.read_at_last(4)))
    assert heard == total
    assert echo.counters.drops == {}
    echo.channel.close()


async def test_events_to_a_client_that_does_not_read_are_dropped_and_counted() -> None:
    echo = Echo()
    message = "x" * MESSAGE_BYTES
    for _ in range(200):
        echo.channel.send_message(echo.channel_id, message, echo.now)
        echo.cross()
    dropped = echo.counters.drops[DropReason.QUEUE_FULL]
    assert 200 - dropped <= 2 * LIMITS.max_buffered_bytes // MESSAGE_BYTES
    # Not the ones in the middle: what has been sent arrives whole, and later events find room again.
    assert len(echo.read_at_last(200 - dropped)) == 200 - dropped
    echo.channel.send_message(echo.channel_id, "after", echo.now)
    assert echo.read() == [b"after"]
    echo.channel.close()


async def test_nonsense_is_counted_and_costs_its_channel() -> None:
    echo = Echo()
    echo.channel.receive(b"no SCTP at all", echo.now)
    assert echo.counters.drops == {DropReason.REFUSED_DATA: 1}
    echo.channel.close()


async def test_hanging_up_tells_a_client_that_does_not_read() -> None:
    echo = Echo()
    echo.send_until_refused()
    echo.channel.hang_up(echo.now)
    echo.cross()
    assert echo.client.connected is False
    echo.channel.close()
