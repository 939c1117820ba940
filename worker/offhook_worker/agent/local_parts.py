"""The cascade's parts that run in this process, each on a pool of threads: Moonshine hears, hibari speaks."""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

from offhook_worker.agent.ear import Ear
from offhook_worker.agent.hearing import Drafted
from offhook_worker.agent.moonshine import Moonshine
from offhook_worker.agent.pool import FairPool, PoolLoad, Urgency
from offhook_worker.agent.recogniser import Recogniser
from offhook_worker.agent.voice import SAMPLE_RATE_HZ, Voice
from offhook_worker.dialogue import Dialogue
from offhook_worker.replies import Speech
from offhook_worker.turn import Listener, Turn
from offhook_worker.worker import Load

MOONSHINE_DIRECTORY = "moonshine-tiny-en"


class LocalHearing:
    """Moonshine. Warm when constructed.

    Args:
        models: the directory that `offhook models fetch` fills.

    Raises:
        FileNotFoundError: a model file is missing.
    """

    def __init__(self, models: Path, threads: int = 1) -> None:
        self._pool = FairPool("recognition", threads)
        self._recogniser = Recogniser(Moonshine(models / MOONSHINE_DIRECTORY), self._pool)
        self._counted_s = 0.0
        self._recogniser.warm_up()

    def listen(self, dialogue: Dialogue, drafted: Drafted) -> Listener:
        """A new call's ear."""
        return Ear(dialogue, self._recogniser, drafted)

    def load(self) -> Load:
        """Of its threads."""
        period_s, self._counted_s = self._recogniser.audio_s - self._counted_s, self._recogniser.audio_s
        return _load(self._pool.load(), period_s)


class LocalSpeaking:
    """hibari. Warm when constructed."""

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, threads: int = 1) -> None:
        self._pool = FairPool("synthesis", threads)
        self._voice = Voice()
        self._spoken_s = 0.0
        self._voice.warm_up()

    async def speak(self, turn: Turn, sentence: str) -> AsyncGenerator[Speech, None]:
        """A sentence in one piece: making it takes a hundredth of its length."""
        yield await self._speak(turn, sentence, Urgency.CALLER_WAITS)

    async def speak_ahead(self, turn: Turn, sentence: str) -> Speech:
        """See `SpeakingAhead`."""
        return await self._speak(turn, sentence, Urgency.AHEAD)

    def hurry(self, turn: Turn) -> None:
        """See `SpeakingAhead`."""
        self._pool.hurry(turn.session)

    def load(self) -> Load:
        """Of its threads."""
        period_s, self._spoken_s = self._spoken_s, 0.0
        return _load(self._pool.load(), period_s)

    async def _speak(self, turn: Turn, sentence: str, urgency: Urgency) -> Speech:
        speak = partial(self._voice.speak, sentence, turn.config.speed or 1.0)
        spoken = await self._pool.run(turn.session, speak, urgency)
        self._spoken_s += spoken.duration_s
        return spoken.speech


def _load(pool: PoolLoad, audio_s: float) -> Load:
    return Load(
        utilization=pool.utilization,
        real_time_factor=pool.compute_s / audio_s if audio_s > 0 else 0.0,
        queue_delay_ms=pool.queue_delay_ms,
    )
