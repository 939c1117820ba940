"""A bridge as the worker of a local fabric: named with the URL of its engine, or with a file of settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CASCADE, REALTIME = "bridge-cascade", "bridge-realtime"
BRIDGES: Final = (CASCADE, REALTIME)


@dataclass(frozen=True)
class Engine:
    """What the person said of it; an empty string is nothing."""

    url: str = ""
    model: str = ""
    key_env: str = ""

    def fields(self) -> dict[str, str]:
        """As a bridge's settings call it."""
        named = {"url": self.url, "model": self.model, "api_key_env": self.key_env}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Bridge:
    """A bridge that can be started.

    Attributes:
        worker: the worker's name in its role's configuration.
        model: its model's name for callers.
        settings: the bridge's part of that configuration.
        has_local_parts: it hears or speaks with the agent's models.
    """

    worker: str
    model: str
    settings: Mapping[str, Any]
    has_local_parts: bool


def is_bridge(worker: str) -> bool:
    """Whether `worker` is "bridge-…" or "bridge-…:FILE"."""
    return worker.partition(":")[0] in BRIDGES


def read_bridge(worker: str, engine: Engine) -> Bridge:
    """The bridge that `worker` names.

    Raises:
        ValueError: a setting is missing or wrong, as its message says.
    """
    from offhook_worker.bridge import settings as parts  # noqa: PLC0415 - images without workers have the command too

    name, _, file = worker.partition(":")
    if bool(file) == bool(engine.fields()):
        raise ValueError(f"{name} needs --bridge-url, or a file of settings: --worker {name}:FILE")
    try:
        return _realtime(file, engine) if name == REALTIME else _cascade(file, engine)
    except parts.InvalidSettings as error:
        raise ValueError(str(error)) from None


def _cascade(file: str, engine: Engine) -> Bridge:
    from offhook_worker.bridge import settings as parts  # noqa: PLC0415 - images without workers have the command too

    if file:
        settings = parts.load_settings(parts.CascadeSettings, Path(file))
    else:
        settings = parts.read_settings(parts.CascadeSettings, {"chat": engine.fields()})
    servers = (settings.chat, settings.transcription, settings.speech)
    for server in servers:
        if server is not None:
            server.api_key()
    has_local_parts = settings.transcription is None or settings.speech is None
    given = settings.model_dump(mode="json", exclude_unset=True)
    return Bridge(CASCADE, settings.name, {"cascade": given}, has_local_parts)


def _realtime(file: str, engine: Engine) -> Bridge:
    from offhook_worker.bridge import settings as parts  # noqa: PLC0415 - images without workers have the command too

    server = (
        parts.load_settings(parts.RealtimeServer, Path(file))
        if file
        else parts.read_settings(parts.RealtimeServer, engine.fields())
    )
    server.api_key()
    given = server.model_dump(mode="json", exclude_unset=True)
    return Bridge(REALTIME, server.name, {"realtime": given}, has_local_parts=False)
