"""The JSON bodies of the HTTP API."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from transceiver.realtime.schema.base import Strict
from transceiver.signalling.answer_schema import SESSION_SCHEMA

SHORTEST_SECRET_S = 10
LONGEST_SECRET_S = 7200
DEFAULT_SECRET_S = 600


class ExpiresAfter(Strict):
    """When an ephemeral key expires."""

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(
        default=DEFAULT_SECRET_S,
        ge=SHORTEST_SECRET_S,
        le=LONGEST_SECRET_S,
        description="How long it opens sessions. A session that is open outlives it.",
    )


class ClientSecretRequest(Strict):
    """Body of `POST /v1/realtime/client_secrets`."""

    expires_after: ExpiresAfter | None = Field(default=None, description="Ten minutes where it is absent.")
    session: Annotated[dict[str, Any] | None, WithJsonSchema({"anyOf": [SESSION_SCHEMA, {"type": "null"}]})] = Field(
        default=None,
        description="Session object of type `realtime` or `transcription`: what sessions opened with the key are, "
        "unless the connection says otherwise.",
    )


class RejectRequest(Strict):
    """Body of `POST /v1/realtime/calls/{call_id}/reject`."""

    status_code: int = Field(default=603, ge=300, le=699, description="SIP status that the caller gets.")


class ReferRequest(Strict):
    """Body of `POST /v1/realtime/calls/{call_id}/refer`."""

    target_uri: str = Field(min_length=1, description="`tel:` or `sip:` URI that goes into the Refer-To header.")
