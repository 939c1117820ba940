"""A transceiver's hub and python media port with relays and clients around it, in virtual time.

Relays here are trusting: they put the envelope on whatever a client sends, so that a test can see what the transceiver
makes of it. The listeners record.
"""

from collections import Counter
from collections.abc import Callable, Collection

from tests.support.virtual_network import Conditions, VirtualNetwork
from tests.support.webrtc_client import ClientOptions, WebRtcClient
from transceiver.config import SessionLimits
from transceiver.hub import SessionHub
from transceiver.media_port.interface import Path
from transceiver.media_port.python_core import PythonMediaPort
from transceiver.session.actions import AudioReceived, CloseReason, KeyPressed
from transceiver.session.certificate import Certificate
from transceiver.session.session import Session
from wire.address import Address
from wire.drop import DropReason
from wire.spp import HEADER_BYTES, SppHeader, decode_header, encode_header
from wire.ufrag import KeyRing, RouteKey

TRANSCEIVER = Address("10.1.0.1", 7000)
RELAY_A = Address("10.0.0.1", 9000)
RELAY_B = Address("10.0.0.2", 9000)
STRANGER = Address("10.9.9.9", 9000)
PUBLIC = Address("203.0.113.1", 3478)
CLIENT_A = Address("198.51.100.7", 40_000)
CLIENT_B = Address("198.51.100.8", 40_001)
ATTACKER = Address("192.0.2.66", 666)

KEYS = KeyRing(RouteKey("A", bytes(range(32))))
_CERTIFICATE: list[Certificate] = []


class RecordingListener:
    """Keeps what a session's listener hears; echoes audio if told to."""

    def __init__(self, scene: "TransceiverScene", *, echo: bool) -> None:
        self.audio_frames: list[AudioReceived] = []
        self.data: list[bytes] = []
        self.keys: list[KeyPressed] = []
        self.connected_at: float | None = None
        self.closed_reason: CloseReason | None = None
        self.ice_restarts = 0
        self.hears: Callable[[AudioReceived], None] = lambda frame: None
        self._scene = scene
        self._echo = echo

    def connected(self, session: Session, now: float) -> None:
        self.connected_at = now

    def ice_restarted(self, session: Session, now: float) -> None:
        self.ice_restarts += 1

    def audio(self, session: Session, frame: AudioReceived, now: float) -> None:
        assert self.closed_reason is None
        self.audio_frames.append(frame)
        self.hears(frame)
        if self._echo:
            self._scene.hub.send_audio(session, frame.payload, frame.rtp_timestamp, frame.marker, now)

    def application_data(self, session: Session, data: bytes, now: float) -> None:
        self.data.append(data)

    def key_pressed(self, session: Session, press: KeyPressed, now: float) -> None:
        self.keys.append(press)

    def closed(self, session: Session, reason: CloseReason, now: float) -> None:
        assert self.closed_reason is None
        self.closed_reason = reason


class FlowRecorder:
    """What the route server would know."""

    def __init__(self) -> None:
        self.flows: dict[Path, tuple[str, tuple[int, ...], bool]] = {}

    def flow_bound(self, session: Session, path: Path, ssrcs: Collection[int], selected: bool) -> None:
        self.flows[path] = (session.call_id, tuple(ssrcs), selected)

    def flow_unbound(self, path: Path) -> None:
        del self.flows[path]


class Caller:
    """A client at an address, behind a relay, in a call."""

    def __init__(
        self, scene: "TransceiverScene", client: WebRtcClient, address: Address, listener: RecordingListener
    ) -> None:
        self.client = client
        self.address = address
        self.relay = RELAY_A
        self.listener = listener
        self.session: Session
        self.timestamp = 0
        self.reshape: Callable[[bytes], list[bytes]] = lambda datagram: [datagram]
        """What becomes of each datagram of the client before it is on its way."""
        self._scene = scene

    @property
    def path(self) -> Path:
        return Path(self.address, PUBLIC)

    def speak(self, frames: int = 50, *, interval_s: float = 0.02) -> list[bytes]:
        """Sends frames at their pace and lets time pass; returns their payloads."""
        sent = []
        for _ in range(frames):
            self.timestamp = (self.timestamp + 960) % (1 << 32)
            payload = b"opus" + self.timestamp.to_bytes(4, "big")
            self.client.send_audio(payload, self.timestamp, level=30)
            sent.append(payload)
            self._scene.flush(self)
            self._scene.run(interval_s)
        return sent


class TransceiverScene:
    """See the module's docstring."""

    def __init__(
        self,
        *,
        limits: SessionLimits | None = None,
        seed: int = 1,
        data_channels: bool = False,
        max_sessions: int = 100,
        max_connecting: int | None = None,
    ) -> None:
        if not _CERTIFICATE:
            _CERTIFICATE.append(Certificate())
        self.network = VirtualNetwork(seed)
        self.up = Conditions()
        self.down = Conditions()
        self.flows = FlowRecorder()
        self.callers: list[Caller] = []
        self.sent_to: Counter[Address] = Counter()
        """Bytes towards each client address."""
        self.sent_through: Counter[Address] = Counter()
        """Datagrams towards each relay."""
        self.port = PythonMediaPort(TRANSCEIVER, self._from_transceiver)
        self.hub = SessionHub(
            self.port,
            self.flows,
            keys=KEYS,
            cluster_id=7,
            transceiver_id=42,
            certificate=_CERTIFICATE[0],
            candidates=lambda: [PUBLIC],
            limits=limits or SessionLimits(),
            max_sessions=max_sessions,
            max_connecting=max_sessions if max_connecting is None else max_connecting,
            arm=lambda when: None,
            data_channels=data_channels,
        )
        self.port.accept_relays([RELAY_A, RELAY_B])

    @property
    def now(self) -> float:
        return self.network.now

    @property
    def drops(self) -> dict[DropReason, int]:
        """All that was dropped, by the port and by the hub."""
        return dict(self.port.counters.drops + self.hub.counters.drops)

    def call(
        self,
        options: ClientOptions | None = None,
        *,
        address: Address = CLIENT_A,
        echo: bool = True,
        start: bool = True,
        rewrite: Callable[[str], str] = str,
    ) -> Caller:
        """Places a call: offer, as `rewrite` leaves it, and answer are exchanged; nothing else has happened yet."""
        listener = RecordingListener(self, echo=echo)
        caller = Caller(self, WebRtcClient(options), address, listener)
        caller.session = self.hub.create(rewrite(caller.client.offer()), listener, now=self.now)
        self.callers.append(caller)
        if start:
            caller.client.accept(caller.session.answer, self.now)
        return caller

    def connect(
        self,
        options: ClientOptions | None = None,
        *,
        address: Address = CLIENT_A,
        echo: bool = True,
        rewrite: Callable[[str], str] = str,
    ) -> Caller:
        """Places a call and waits until both sides are connected."""
        caller = self.call(options, address=address, echo=echo, rewrite=rewrite)
        self.run_until(lambda: caller.listener.connected_at is not None and caller.client.connected_at is not None)
        return caller

    def inject(
        self, datagram: bytes, *, client: Address = ATTACKER, proxy: Address = PUBLIC, relay: Address = RELAY_A
    ) -> None:
        """A datagram reaches the transceiver at once, as if from `client` through `relay`."""
        self.port.receive(encode_header(client, proxy) + datagram, relay, self.now)

    def flush(self, caller: Caller) -> None:
        """Sends what a client has queued."""
        for datagram in caller.client.take_datagrams():
            for piece in caller.reshape(datagram):
                self._from_client(caller, piece)

    def run(self, duration_s: float) -> None:
        """Lets time pass."""
        deadline = self.now + duration_s
        while (when := self._next()) is not None and when <= deadline:
            self._advance(when)
        self.network.now = deadline

    def run_until(self, condition: Callable[[], bool], within_s: float = 15.0) -> None:
        """Lets time pass until `condition` holds."""
        deadline = self.now + within_s
        while not condition():
            when = self._next()
            assert when is not None, "nothing is left that could happen"
            assert when <= deadline, f"not within {within_s} s; dropped {self.drops}"
            self._advance(when)

    def _next(self) -> float | None:
        timeouts = [self.network.next_time(), self.hub.next_timeout(), self.port.next_release()]
        timeouts += [caller.client.next_timeout() for caller in self.callers]
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def _advance(self, when: float) -> None:
        arrival = self.network.next_time()
        if arrival is not None and arrival <= when:
            self.network.step()
        else:
            self.network.now = max(self.now, when)
            self.port.release(self.now)
            self.hub.handle_timeout(self.now)
            for caller in self.callers:
                caller.client.handle_timeout(self.now)
        for caller in self.callers:
            self.flush(caller)

    def _from_client(self, caller: Caller, datagram: bytes) -> None:
        envelope = encode_header(caller.address, PUBLIC)
        relay = caller.relay
        self.network.carry(self.up, lambda: self.port.receive(envelope + datagram, relay, self.now))

    def _to_client(self, caller: Caller, datagram: bytes) -> None:
        self.network.carry(self.down, lambda: caller.client.receive(datagram, self.now))

    def _from_transceiver(self, datagram: bytes, relay: Address) -> None:
        header = decode_header(datagram)
        assert isinstance(header, SppHeader)
        inner = datagram[HEADER_BYTES:]
        self.sent_to[header.client] += len(inner)
        self.sent_through[relay] += 1
        for caller in self.callers:
            if caller.address == header.client and caller.relay == relay:
                self._to_client(caller, inner)
