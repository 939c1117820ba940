"""Our audio on its way out of a session: whether it may be sent, and on which path."""

from transceiver.media_port.interface import Path
from transceiver.session.audio_sender import AudioSender
from transceiver.session.paths import PathTable


class Speech:
    """One session's. Frames become the RTP packets that are to be sent, or nothing where none may be.

    Args:
        sender: numbers them.
        paths: says where they go, and how much may go there.
    """

    def __init__(self, sender: AudioSender, paths: PathTable) -> None:
        self._sender = sender
        self._paths = paths
        self.may_be_sent = False
        """From when the session is connected until it is closed."""

    def send(self, payload: bytes, rtp_timestamp: int, marker: bool, now: float) -> tuple[Path, bytes] | None:
        """Sends one frame of the negotiated codec: returns the RTP packet that is to be sent at once, and its path.

        Args:
            payload: at most about 1200 bytes.
            rtp_timestamp: in the codec's clock, from any origin; ours gets a random offset.
            marker: first packet after silence.

        None, and ignored, unless connected and the client receives audio.
        """
        path = self._paths.selected
        if path is None or not self.may_be_sent:
            return None
        packet = self._sender.packetize(payload, rtp_timestamp, marker, now)
        if packet is None or not self._paths.admit_sending(path, len(packet)):
            return None
        return path, packet

    def schedule(
        self, payload: bytes, rtp_timestamp: int, marker: bool, due: float, level_dbov: int | None = None
    ) -> tuple[Path, bytes] | None:
        """The same for a frame that is to leave when `due` has come; see `MediaPort.schedule_rtp`.

        Args:
            level_dbov: how loud it is; goes along where the client has offered RFC 6464's header extension.
        """
        path = self._paths.selected
        if path is None or not self.may_be_sent:
            return None
        packet = self._sender.schedule(payload, rtp_timestamp, marker, due, level_dbov)
        if packet is None or not self._paths.admit_sending(path, len(packet)):
            return None
        return path, packet

    @property
    def unconfirmed(self) -> int | None:
        """How many packets have left since the newest that the client reports to have received; None before it does."""
        return self._sender.unconfirmed

    @property
    def has_scheduled(self) -> bool:
        """Whether it wants to be told by `waits` what has left, before the session reads or writes a report."""
        return self._sender.has_scheduled

    def waits(self, count: int) -> None:
        """So many of the scheduled packets have not left."""
        self._sender.settle(count)

    def take_back(self, count: int) -> None:
        """So many of the scheduled packets, the last of them, will not leave."""
        self._sender.take_back(count)
