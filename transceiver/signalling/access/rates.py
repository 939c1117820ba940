"""How much a key may ask, as an operator configures it."""

from pydantic import Field

from offhook.service.config import Config


class RequestRates(Config):
    """How many requests a key may make per minute, and at once. A transceiver counts for itself."""

    api_key_per_minute: int = Field(30_000, gt=0, description="Of a server with an API key.")
    client_secret_per_minute: int = Field(120, gt=0, description="Of a browser with an ephemeral key.")
