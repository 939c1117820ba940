"""SDP fragments of trickle ICE (RFC 8840 section 9), as far as an ICE-lite server needs them."""

from typing import NamedTuple

from transceiver.signalling.errors import ApiError


class IceFragment(NamedTuple):
    """The credentials a fragment names. Its candidates are of no use here: the client's checks show where it is."""

    ufrag: str
    pwd: str


def parse_ice_fragment(body: bytes) -> IceFragment:
    """Reads the first ICE credentials of a fragment.

    Raises:
        ApiError: 400 if there are none. Every fragment carries them (RFC 8840 section 9.1).
    """
    values: dict[str, str] = {}
    for line in body.decode(errors="replace").splitlines():
        name, _, value = line.strip().partition(":")
        if name in ("a=ice-ufrag", "a=ice-pwd"):
            values.setdefault(name, value)
    if len(values) < 2 or not all(values.values()):
        raise ApiError(400, "The fragment has no 'a=ice-ufrag' and 'a=ice-pwd'.", code="invalid_fragment")
    return IceFragment(values["a=ice-ufrag"], values["a=ice-pwd"])
