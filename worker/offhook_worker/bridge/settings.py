"""What a bridge is told: which servers, under which names, and how patient to be."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

_S = TypeVar("_S", bound="Settings")


class InvalidSettings(Exception):
    """A setting is wrong; the message names it and says what it must be."""


class Settings(BaseModel):
    """Frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(Settings):
    """One server."""

    url: str = Field(description='Its base, as `OPENAI_BASE_URL` has it: "http://127.0.0.1:8000/v1".')
    model: str = Field("", description="The model to ask it for. Empty: its default, or the first that it lists.")
    api_key_env: str = Field("", description="Environment variable that holds the API key. Empty: see `api_key_file`.")
    api_key_file: Path | None = Field(None, description="File that holds the API key; read at every connection.")
    connect_timeout_s: float = Field(2.0, gt=0, description="How long a connection may take.")
    silence_timeout_s: float = Field(15.0, gt=0, description="How long the server may send nothing while it should.")

    @field_validator("url")
    @classmethod
    def _is_base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
            raise ValueError("must be a URL with a host, such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise ValueError("holds no key: name it in api_key_env or api_key_file")
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))

    def authorization(self) -> dict[str, str]:
        """The header that carries the key; none without one. Raises what `api_key` does."""
        key = self.api_key()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def api_key(self) -> str:
        """The key, or nothing.

        Raises:
            InvalidSettings: the variable or the file is missing.
        """
        if self.api_key_file is not None:
            try:
                return self.api_key_file.read_text().strip()
            except OSError as error:
                raise InvalidSettings(f"api_key_file cannot be read: {error.strerror}") from error
        if self.api_key_env:
            if self.api_key_env not in os.environ:
                raise InvalidSettings(f"the environment has no {self.api_key_env}, which api_key_env names")
            return os.environ[self.api_key_env].strip()
        return ""


class HttpServer(Server):
    """One server of a cascade."""

    connections: int = Field(64, gt=0, description="Requests at once; more wait.")
    metrics_url: str = Field(
        "", description='Where its Prometheus metrics are. Empty: "/metrics" beside the API; "off": not asked for.'
    )
    slots: int = Field(
        0,
        ge=0,
        description="Requests that the engine runs at once (vLLM --max-num-seqs, SGLang --max-running-requests). "
        "0: unknown, or as llama.cpp tells.",
    )

    @property
    def metrics_address(self) -> str:
        """Where to ask for metrics; empty: nowhere."""
        if self.metrics_url:
            return "" if self.metrics_url == "off" else self.metrics_url
        return urlunsplit(urlsplit(self.url)._replace(path="/metrics", query=""))


class ChatServer(HttpServer):
    """A language model behind `POST /chat/completions`."""

    instructions: str = Field("", description="What it is told in every call, before the session's instructions.")
    temperature: float | None = Field(None, ge=0, description="Where the caller asks for none.")
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="How the server calls the limit of an answer; OpenAI's own wants the longer name."
    )
    max_output_tokens: int = Field(
        4096, gt=0, description="How long an answer may be where the caller sets no limit: some models never end."
    )
    max_history_items: int = Field(
        200, ge=4, description="The oldest items go beyond this, half of them at once so that prompts stay cached."
    )
    images: bool = Field(default=False, description="The model takes pictures.")
    extra: Mapping[str, Any] = Field(
        default_factory=dict, description="More for the body of each request, such as chat_template_kwargs."
    )


class TranscriptionServer(HttpServer):
    """Speech to text behind `POST /audio/transcriptions`."""

    language: str = Field("", description="Where the caller names none. Empty: the model finds out.")
    ahead: bool = Field(
        default=True,
        description="Transcribe in the caller's pauses, in case the turn ends there: faster, at more requests.",
    )


class SpeechServer(HttpServer):
    """Text to speech behind `POST /audio/speech`."""

    sample_rate_hz: int = Field(24_000, ge=8_000, le=48_000, description="What its PCM has.")
    voices: tuple[str, ...] = Field(
        (), description="What callers may choose among, the default first. Empty: any; `alloy` where they name none."
    )


class RealtimeServer(Server):
    """A speech-to-speech model behind the Realtime WebSocket, and how callers see it."""

    name: str = Field("realtime", min_length=1, description="The model's name for callers.")
    rate_hz: Literal[16_000, 24_000] = Field(24_000, description="PCM both ways; the API of today knows 24 kHz alone.")
    own_turns: bool = Field(
        default=False, description="The server decides when the caller has finished. False: the fabric does."
    )
    turn_detection: Mapping[str, Any] = Field(
        default_factory=dict, description="How the server is to, with own_turns. Empty: by its default."
    )
    transcription_model: str = Field(
        "gpt-4o-mini-transcribe",
        description="What writes callers down, where they want transcripts. Empty: the server cannot.",
    )
    voice: str = Field("", description="The only voice. Empty: what callers ask for.")
    images: bool = Field(default=False, description="The model takes pictures.")
    headers: Mapping[str, str] = Field(
        default_factory=dict, description='More headers of the upgrade, such as OpenAI-Beta = "realtime=v1".'
    )
    session: Mapping[str, Any] = Field(default_factory=dict, description="More for the session object, over the rest.")
    bare_responses: bool = Field(
        default=False, description="Ask for answers without metadata, for servers that refuse what they do not know."
    )
    reconnect_within_s: float = Field(10.0, ge=0, description="How long a lost connection is tried again.")

    @property
    def socket_url(self) -> str:
        """Where the WebSocket is."""
        parts = urlsplit(self.url)
        path = parts.path if parts.path.endswith("/realtime") else f"{parts.path}/realtime"
        query = "&".join(filter(None, (parts.query, urlencode({"model": self.model}) if self.model else "")))
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        return urlunsplit(parts._replace(scheme=scheme, path=path, query=query))


class CascadeSettings(Settings):
    """A cascade: what is not named here is local (Moonshine hears, rules answer, hibari speaks)."""

    name: str = Field("cascade", min_length=1, description="The model's name for callers.")
    chat: ChatServer | None = Field(None, description="The language model.")
    transcription: TranscriptionServer | None = Field(None, description="The recogniser.")
    speech: SpeechServer | None = Field(None, description="The voice.")


def read_settings(model: type[_S], values: Mapping[str, Any]) -> _S:
    """Typed settings.

    Raises:
        InvalidSettings: a key is unknown, missing or wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidSettings(f"{where}: {first['msg']}" if where else first["msg"]) from error


def load_settings(model: type[_S], path: Path) -> _S:
    """Settings from a TOML file.

    Raises:
        InvalidSettings: the file is missing, no TOML, or a key in it is wrong.
    """
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from error
    try:
        return read_settings(model, values)
    except InvalidSettings as error:
        raise InvalidSettings(f"{path}: {error}") from error
