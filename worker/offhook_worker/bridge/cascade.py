"""A cascade over OpenAI-compatible HTTP; any of its parts may be local instead."""

import importlib
from pathlib import Path

from offhook_worker.agent.brain.interface import Brain
from offhook_worker.agent.brain.rules import RuleBrain
from offhook_worker.agent.cascade import CAPABILITIES, Cascade, Hearing, Speaking, busiest, cascade_model
from offhook_worker.bridge.chat import ChatBrain
from offhook_worker.bridge.engine import Engine
from offhook_worker.bridge.settings import CascadeSettings, HttpServer
from offhook_worker.bridge.speech import RemoteSpeaking
from offhook_worker.bridge.transcription import RemoteHearing
from offhook_worker.model import Capability
from offhook_worker.worker import Load

LOCAL_PARTS = "offhook_worker.agent.local_parts"
_LOCAL_RATE_HZ = 24_000


class CascadeBridge(Cascade):
    """Serves the model that `settings` names.

    Args:
        models: the directory of the local parts' model files.

    Raises:
        ImportError: a part is to be local, and `offhook-worker[agent]` is not installed.
        FileNotFoundError: a local part's model file is missing.
        InvalidSettings: an API key is missing.
    """

    def __init__(self, settings: CascadeSettings, models: Path) -> None:
        self._engines: list[Engine] = []
        capabilities = CAPABILITIES
        if settings.chat is not None and settings.chat.images:
            capabilities |= {Capability.IMAGE_INPUT}
        rate_hz = settings.speech.sample_rate_hz if settings.speech is not None else _LOCAL_RATE_HZ
        super().__init__(
            (cascade_model(settings.name, rate_hz, capabilities),),
            self._hearing_of(settings, models),
            self._brain_of(settings),
            self._speaking_of(settings),
        )

    async def start(self) -> None:
        """Opens the pools of connections and watches the engines."""
        for engine in self._engines:
            await engine.start()

    async def stop(self) -> None:
        """Closes what `start` opened."""
        for engine in self._engines:
            await engine.stop()

    def load(self) -> Load:
        """Of the fullest engine or local part: the bottleneck is what placement has to know."""
        return busiest([super().load(), *(engine.load() for engine in self._engines)])

    # -- parts -------------------------------------------------------------------------------------------------------

    def _brain_of(self, settings: CascadeSettings) -> Brain:
        if settings.chat is None:
            return RuleBrain()
        return ChatBrain(settings.chat, self._engine("language model", settings.chat).upstream)

    def _hearing_of(self, settings: CascadeSettings, models: Path) -> Hearing:
        if settings.transcription is None:
            hearing: Hearing = importlib.import_module(LOCAL_PARTS).LocalHearing(models)
            return hearing
        return RemoteHearing(settings.transcription, self._engine("recognition", settings.transcription))

    def _speaking_of(self, settings: CascadeSettings) -> Speaking:
        if settings.speech is None:
            speaking: Speaking = importlib.import_module(LOCAL_PARTS).LocalSpeaking()
            return speaking
        return RemoteSpeaking(settings.speech, self._engine("speech", settings.speech))

    def _engine(self, role: str, server: HttpServer) -> Engine:
        server.api_key()
        engine = Engine(role, server)
        self._engines.append(engine)
        return engine
