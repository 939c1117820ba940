"""How much a key may ask, as an operator configures it."""

from pydantic import Field

from offhook.service.config import Config


class RequestRates(Config):
    """How much a key may ask per minute, and at once. An answer is a request. Each transceiver counts for itself."""

    api_key_per_minute: int = Field(30_000, gt=0, description="Of a server with an API key.")
    client_secret_per_minute: int = Field(120, gt=0, description="Of a browser with an ephemeral key.")
    tokens_per_minute: int | None = Field(
        None,
        gt=0,
        description="Tokens, as workers count them, that the answers of an API key and of the ephemeral keys that it "
        "minted may take; unset: as many as come.",
    )
