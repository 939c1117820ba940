"""Each offer of the corpus in tests/data/offers is read and answered as expected.yaml says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from transceiver.sdp.answer import LocalDescription, build_answer
from transceiver.sdp.credentials import DtlsRole, Fingerprint, IceCredentials
from transceiver.sdp.offer import parse_offer
from wire.address import Address

OFFERS = Path(__file__).parents[2] / "data" / "offers"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((OFFERS / "expected.yaml").read_text())


def outcome(sdp: str) -> dict[str, Any]:
    """What is read from an offer and how it is answered, in the words of expected.yaml."""
    offer = parse_offer(sdp)
    local = LocalDescription(
        sdp_id=1,
        version=1,
        ice=IceCredentials("A" + "b" * 22, "p" * 24),
        fingerprint=Fingerprint("sha-256", bytes(range(32))),
        role=offer.setup,
        candidates=(Address("203.0.113.1", 3478),),
        ssrc=77,
        cname="cname",
        data_channels=True,
    )
    session, *sections = re.split(r"^(?=m=)", build_answer(offer, local).replace("\r\n", "\n"), flags=re.MULTILINE)
    audio = sections[offer.audio_index]
    return {
        "codec": offer.audio.format.rtpmap,
        "events": offer.audio.events.rtpmap if offer.audio.events is not None else None,
        "direction": next(
            line for line in ("sendrecv", "sendonly", "recvonly", "inactive") if f"\na={line}\n" in audio
        ),
        "setup": re.search(r"^a=setup:(\S+)", audio, re.MULTILINE)[1],  # type: ignore[index]  # each answer has it
        "bundle": " ".join(re.findall(r"^a=group:BUNDLE (.*)$", session, re.MULTILINE)) or None,
        "sections": [
            f"{section.split()[0].removeprefix('m=')} {'rejected' if section.split()[1] == '0' else 'accepted'}"
            for section in sections
        ],
        "extensions": {
            name.rpartition(":")[2].rpartition("/")[2]: int(number)
            for number, name in re.findall(r"^a=extmap:(\d+) (\S+)", audio, re.MULTILINE)
        },
        "nack": "nack" in audio,
        "ssrcs": len(offer.audio.ssrcs),
        "max_message_bytes": offer.max_message_bytes,
    }


def test_every_offer_has_an_expectation() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in OFFERS.glob("*.sdp"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_offer_is_answered_as_expected(name: str) -> None:
    assert outcome((OFFERS / f"{name}.sdp").read_text()) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_nobody_knows_changes_nothing(name: str) -> None:
    sdp = (OFFERS / f"{name}.sdp").read_text()
    strange = sdp.replace("a=rtcp-mux", "a=x-new:1 2 3\na=flag\na=rtcp-mux\nb=AS:1\ni=words")
    assert strange != sdp
    assert outcome(strange) == EXPECTED[name]


def test_a_role_of_the_answer_fits_every_offer() -> None:
    roles = {name: parse_offer((OFFERS / f"{name}.sdp").read_text()).setup for name in EXPECTED}
    # Active wherever the client leaves it to us: one round trip less.
    assert [name for name, role in roles.items() if role is DtlsRole.SERVER] == ["embedded_client_pcma_active"]
