"""Who asks: a server with an API key, or a browser with an ephemeral key that a server minted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from transceiver.calls.placer import Placer
from transceiver.signalling.access.api_keys import ApiKeys
from transceiver.signalling.access.client_secrets import PREFIX, ClientSecret, ClientSecrets
from transceiver.signalling.access.plain_http import PlainHttp
from transceiver.signalling.access.quota import KeyQuota
from transceiver.signalling.access.rate_limit import Allowance, RateLimits, refuse
from transceiver.signalling.access.rates import RequestRates
from transceiver.signalling.errors import ApiError

KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""Browsers cannot set headers of a WebSocket, and carry their key in a sub-protocol's name."""
KEY_PARAMETERS: Final = frozenset({"api_key", "api-key", "apikey", "key", "token", "access_token", "authorization"})
"""Names under which people put keys into query strings, where every proxy logs them."""


ALLOWANCE: Final = web.RequestKey("allowance", Allowance)
"""What the key of a request has left."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        tenant: whose calls are seen.
        api_key_id: of the key, or of the one that minted the ephemeral key.
        client_secret: of an ephemeral key; None for an API key.
    """

    tenant: str
    api_key_id: str
    client_secret: ClientSecret | None = None

    @property
    def placer(self) -> Placer:
        """What a call remembers of who placed it."""
        return Placer(self.tenant, self.client_secret.id if self.client_secret is not None else None)

    def may_control(self, placer: Placer) -> bool:
        """Whether a call is this one's: an API key's are all its tenant's, an ephemeral key's those placed with it."""
        if self.client_secret is not None:
            return placer == self.placer
        return placer.tenant == self.tenant


_PRINCIPAL = web.RequestKey("principal", Principal)


class Access:
    """Tells who asks, or refuses.

    Args:
        client_secrets: None where this installation has no key file for them.
        plain_http: which requests without TLS are taken.
        rates: how many requests a key may make.
        now: monotonic clock in seconds.
    """

    def __init__(
        self,
        api_keys: ApiKeys,
        client_secrets: ClientSecrets | None,
        plain_http: PlainHttp,
        rates: RequestRates,
        now: Callable[[], float],
    ) -> None:
        self._rates = rates
        self._limits = RateLimits(now)
        self._plain_http = plain_http
        self._api_keys = api_keys
        self._client_secrets = client_secrets

    @property
    def client_secrets(self) -> ClientSecrets | None:
        """Mints ephemeral keys."""
        return self._client_secrets

    def server(self, request: web.Request) -> Principal:
        """Who asks for something that ephemeral keys are not for.

        Raises:
            ApiError: 401, or 403 for an ephemeral key that is good.
        """
        principal = self.anyone(request)
        if principal.client_secret is not None:
            message = "Ephemeral keys open sessions and end their own; this needs an API key."
            raise ApiError(403, message, code="insufficient_permissions")
        return principal

    def anyone(self, request: web.Request) -> Principal:
        """Who asks, with either kind of key.

        A request is judged, and counted, once, however often that is asked.

        Raises:
            ApiError: 401, 403 where the key has crossed a network in clear, 429 where it asks too much.
        """
        known = request.get(_PRINCIPAL)
        if known is None:
            known = self._identify(request)
            request[ALLOWANCE] = self._limits.take(*self._rate(known))
            refuse(request[ALLOWANCE])
            request[_PRINCIPAL] = known
        return known

    def quota(self, principal: Principal) -> KeyQuota:
        """What the sessions that a key opens may use."""
        return KeyQuota(
            self._limits,
            *self._rate(principal),
            api_key_id=principal.api_key_id,
            tokens_per_minute=self._rates.tokens_per_minute,
        )

    def _rate(self, principal: Principal) -> tuple[str, int]:
        if principal.client_secret is not None:
            return principal.client_secret.id, self._rates.client_secret_per_minute
        return principal.api_key_id, self._rates.api_key_per_minute

    def _identify(self, request: web.Request) -> Principal:
        self._plain_http.check(request)
        self._refuse_query(request)
        key = _bearer_key(request) or subprotocol_key(request)
        if not key:
            raise ApiError(
                401, "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.", code="missing_api_key"
            )
        if key.startswith(PREFIX):
            return self._ephemeral(key)
        found = self._api_keys.find(key)
        if found is None:
            raise _incorrect()
        return Principal(found.tenant, found.id)

    def _ephemeral(self, key: str) -> Principal:
        if self._client_secrets is None or (secret := self._client_secrets.open(key)) is None:
            raise _incorrect()
        minter = self._api_keys.by_id(secret.api_key_id)
        if minter is None:
            raise _incorrect()
        if self._client_secrets.has_expired(secret):
            raise ApiError(401, "The ephemeral key has expired: mint another.", code="token_expired")
        return Principal(minter.tenant, minter.id, secret)

    def _refuse_query(self, request: web.Request) -> None:
        for name, value in request.query.items():
            if name.lower() in KEY_PARAMETERS or value.startswith(PREFIX) or self._api_keys.find(value) is not None:
                message = (
                    "Keys are not taken from the query string, which proxies log: replace this one, and send its "
                    "successor as 'Authorization: Bearer KEY'."
                )
                raise ApiError(401, message, code="key_in_query_string")


def _incorrect() -> ApiError:
    return ApiError(401, "Incorrect API key provided.", code="invalid_api_key")


def _bearer_key(request: web.Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def subprotocol_key(request: web.Request) -> str:
    """The key in the name of a sub-protocol, where there is no better place; empty if there is none."""
    if "Authorization" in request.headers:
        return ""
    return next(
        (each.removeprefix(KEY_SUBPROTOCOL) for each in _subprotocols(request) if each.startswith(KEY_SUBPROTOCOL)), ""
    )


def _subprotocols(request: web.Request) -> Iterator[str]:
    return (each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(","))
