"""Cost of the parts of a relay's decision in Python: what the native engine has to beat.

Prints one JSON object: microseconds of CPU per call (the best of several rounds, since noise only adds), with machine,
versions and method beside them.
"""

import json
import time
from collections.abc import Callable

from aioice import stun

from bench.machine import machine
from wire.address import Address
from wire.demux import classify
from wire.spp import decode_header, encode_header
from wire.stun import BindingRequest, parse_binding_request, verify_integrity
from wire.ufrag import KeyRing, RouteKey, RouteToken

ROUNDS = 7
CALLS = 5_000
CLIENT, PROXY = Address("192.0.2.7", 40_000), Address("203.0.113.10", 3478)


def cpu_us(call: Callable[[], object]) -> float:
    """CPU time of one call: the best of ROUNDS rounds of CALLS calls."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _ in range(CALLS):
            call()
        rounds.append((time.process_time_ns() - began) / CALLS / 1000)
    return round(min(rounds), 3)


def measure() -> dict[str, float]:
    """Every part on a check as Chromium sends it, 108 bytes."""
    keys = KeyRing(RouteKey("A", bytes(range(32))), ())
    ufrag = keys.mint_ufrag(RouteToken(1, 2, 3))
    password = keys.ice_pwd(ufrag).encode()
    request = stun.Message(
        stun.Method.BINDING,
        stun.Class.REQUEST,
        attributes={"USERNAME": f"{ufrag}:abcd", "PRIORITY": 1, "ICE-CONTROLLING": 1},
    )
    request.add_message_integrity(password)
    check = bytes(request)
    parsed = parse_binding_request(check)
    assert isinstance(parsed, BindingRequest)
    header = encode_header(CLIENT, PROXY)
    local_ufrag = ufrag.encode()
    return {
        "classify": cpu_us(lambda: classify(check)),
        "parse_binding_request": cpu_us(lambda: parse_binding_request(check)),
        "decode_ufrag": cpu_us(lambda: keys.decode_ufrag(local_ufrag)),
        "ice_pwd": cpu_us(lambda: keys.ice_pwd(ufrag)),
        "verify_integrity": cpu_us(lambda: verify_integrity(check, parsed.integrity_offset, password)),
        "encode_spp_header": cpu_us(lambda: encode_header(CLIENT, PROXY)),
        "decode_spp_header": cpu_us(lambda: decode_header(header)),
    }


def main() -> None:
    """Prints the result."""
    result = {
        "bench": "wire",
        "unit": "CPU microseconds per call",
        "method": f"best of {ROUNDS} rounds of {CALLS} calls, process CPU time, one thread",
        "machine": machine(),
        "results": measure(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
