"""What a URL leads to, and how calls to it begin and end."""

from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

Kind = Literal["realtime", "whip", "websocket"]
KINDS: Final = ("realtime", "whip", "websocket")
PATHS: Final = {"realtime": "/v1/realtime/calls", "whip": "/whip", "websocket": "/v1/realtime"}


class BadTarget(ValueError):
    """The URL leads to nothing that takes calls; the message says what would."""


class Target(NamedTuple):
    """Where calls go.

    Attributes:
        kind: `realtime` (OpenAI Realtime calls), `whip` (RFC 9725) or `websocket` (OpenAI Realtime on a WebSocket).
        url: where offers are posted (`application/sdp`), or WebSockets connect.
    """

    kind: Kind
    url: str

    @property
    def end(self) -> Literal["hangup", "delete"]:
        """How a call ends: POST to its location's /hangup (Realtime API), or DELETE (WHIP)."""
        return "delete" if self.kind == "whip" else "hangup"

    @property
    def is_secure(self) -> bool:
        """Whether its certificate is to be checked."""
        return urlsplit(self.url).scheme in {"https", "wss"}

    @property
    def host(self) -> str:
        """Its host."""
        return urlsplit(self.url).hostname or ""

    @property
    def shown(self) -> str:
        """The URL as a report may show it: without user, password and values of the query."""
        parts = urlsplit(self.url)
        names = "&".join(f"{pair.partition('=')[0]}=…" for pair in parts.query.split("&") if pair)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}{'?' + names if names else ''}"


def target_of(url: str, kind: Kind | None) -> Target:
    """The target that a URL names; a host alone is a Realtime API with its default model.

    Raises:
        BadTarget: it is no URL that can be called, or nothing says of which kind it is.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadTarget(f"{url} is no URL") from None
    if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname or port == 0:
        raise BadTarget("--target is a URL such as http://127.0.0.1:8080 or ws://127.0.0.1:8080")
    on_socket = parts.scheme.startswith("ws")
    if kind is not None and on_socket != (kind == "websocket"):
        raise BadTarget(f"a {kind} target has a URL that begins with {'ws' if kind == 'websocket' else 'http'}")
    kind = "websocket" if on_socket else kind
    if not parts.path.strip("/"):
        kind = kind or "realtime"
        query = f"?{parts.query}" if parts.query else ""
        return Target(kind, f"{parts.scheme}://{parts.netloc}{PATHS[kind]}{query}")
    found = kind or _kind(parts.path)
    if found is None:
        raise BadTarget(f"of which kind is {parts.path}? --kind says realtime or whip")
    return Target(found, url)


def _kind(path: str) -> Kind | None:
    if path.rstrip("/").endswith("/realtime/calls"):
        return "realtime"
    return "whip" if "whip" in path.lower() else None
