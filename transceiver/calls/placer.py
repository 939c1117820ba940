"""Who placed a call, as far as that decides who else may control it."""

from typing import Final, NamedTuple

DEFAULT_TENANT: Final = "default"
"""Of keys that name none."""


class Placer(NamedTuple):
    """Who placed it.

    Attributes:
        tenant: whose API key, or whose ephemeral key.
        client_secret_id: of the ephemeral key; None if it was an API key.
    """

    tenant: str = DEFAULT_TENANT
    client_secret_id: str | None = None


DEFAULT_PLACER: Final = Placer()
