"""What a session wants done, in order, and what it sends: each datagram only as far as its path may be sent to."""

from collections import deque

from transceiver.session.actions import Action, SendDatagram, SendRtcp, SendRtp
from transceiver.session.paths import PathTable


class Outgoing:
    """The actions of one session that are to be taken.

    Args:
        paths: which of them is sent on, and how much may be sent there.
    """

    def __init__(self, paths: PathTable) -> None:
        self._paths = paths
        self.actions: deque[Action] = deque()

    def stun(self, response: SendDatagram) -> None:
        """Answers a check, on its own path."""
        self._paths.admit_sending(response.path, len(response.datagram))
        self.actions.append(response)

    def dtls(self, datagrams: list[bytes]) -> list[SendDatagram]:
        """Sends records. What is too much for an unproven path is left to retransmission, after more checks."""
        path = self._paths.selected
        sent = [
            SendDatagram(path, datagram)
            for datagram in datagrams
            if path is not None and self._paths.admit_sending(path, len(datagram))
        ]
        self.actions += sent
        return sent

    def rtp(self, packet: bytes) -> None:
        """Sends a packet again."""
        path = self._paths.selected
        if path is not None and self._paths.admit_sending(path, len(packet)):
            self.actions.append(SendRtp(path, packet))

    def rtcp(self, packet: bytes) -> None:
        """Sends a compound packet."""
        path = self._paths.selected
        if path is not None and self._paths.admit_sending(path, len(packet)):
            self.actions.append(SendRtcp(path, packet))
