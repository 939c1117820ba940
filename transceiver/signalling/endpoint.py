"""The table of endpoints: what is routed is what is documented."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp.typedefs import Handler
from pydantic import BaseModel

SDP: Final = "application/sdp"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

Content = Mapping[str, "type[BaseModel] | Mapping[str, Any]"]
"""Content types, and of what shape each is: a model, or a JSON schema."""

TEXT: Final[Mapping[str, Any]] = {"type": "string"}


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Attributes:
        path: with `{names}` of its parameters.
        handler: performs it; its docstring is the documentation.
        key: which keys it takes: "server" (API keys), "any" (ephemeral ones as well) or "none".
        status: of success.
        body: what may be sent; empty: nothing is read.
        answer: what comes back; empty: no body.
        query: parameters by name, and what each is.
        headers: of the answer by name, and what each is.
    """

    method: str
    path: str
    handler: Handler
    key: Literal["server", "any", "none"]
    status: int = 200
    body: Content = field(default_factory=dict)
    answer: Content = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
