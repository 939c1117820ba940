"""The controlling ICE agent of the test client: checks one remote candidate, nominates, keeps consent. Sans-IO."""

import secrets

from aioice import stun

PACE_S = 0.05
CONSENT_S = 2.5


class ClientIce:
    """Knows one pair: its own address and the remote candidate.

    Args:
        nominate_from: how many checks are sent without USE-CANDIDATE first, as Chromium does towards an ICE-lite peer.
    """

    def __init__(self, nominate_from: int = 2) -> None:
        self.ufrag = secrets.token_hex(4)
        self.pwd = secrets.token_hex(12)
        self.remote_ufrag = ""
        self.remote_pwd = ""
        self.connected = False
        self.responses = 0
        self.last_error: int | None = None
        self.controlling = True
        self._nominate_from = nominate_from
        self._sent = 0
        self._pending: dict[bytes, float] = {}
        self._next_check: float | None = None

    def start(self, remote_ufrag: str, remote_pwd: str, now: float) -> None:
        """Begins, or begins anew after a restart, to check."""
        self.remote_ufrag, self.remote_pwd = remote_ufrag, remote_pwd
        self._next_check = now

    def next_timeout(self) -> float | None:
        return self._next_check

    def handle_timeout(self, now: float) -> bytes | None:
        """The check that is due."""
        if self._next_check is None or now < self._next_check:
            return None
        nominate = self._sent >= self._nominate_from
        self._next_check = now + (CONSENT_S if self.connected and nominate else PACE_S)
        return self.check(now, nominate=nominate)

    def check(self, now: float, *, nominate: bool) -> bytes:
        """One Binding request."""
        attributes: dict[str, object] = {"USERNAME": f"{self.remote_ufrag}:{self.ufrag}", "PRIORITY": 0x7E0000FF}
        attributes["ICE-CONTROLLING" if self.controlling else "ICE-CONTROLLED"] = 1
        if nominate:
            attributes["USE-CANDIDATE"] = None
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes=attributes)
        request.add_message_integrity(self.remote_pwd.encode())
        self._sent += 1
        self._pending[request.transaction_id] = now
        return bytes(request)

    def receive(self, datagram: bytes) -> None:
        """A response; one without our password or transaction is ignored."""
        message = stun.parse_message(datagram)
        if not message.check_message_integrity(self.remote_pwd.encode()):
            return
        if self._pending.pop(message.transaction_id, None) is None:
            return
        if message.message_class is stun.Class.RESPONSE:
            self.connected = True
            self.responses += 1
        else:
            self.last_error = message.error_code

    def stop(self) -> None:
        """Sends no more checks: the client has gone away."""
        self._next_check = None
