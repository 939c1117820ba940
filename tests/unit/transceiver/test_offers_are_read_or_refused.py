"""Offers in the shape of stock clients', and what is wrong with those that are refused."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transceiver.sdp.credentials import Direction, DtlsRole
from transceiver.sdp.errors import OfferError
from transceiver.sdp.lines import MAX_MEDIA_SECTIONS, MAX_SDP_BYTES
from transceiver.sdp.offer import parse_offer

OFFERS = Path(__file__).parents[2] / "data" / "offers"
CHROMIUM = (OFFERS / "chromium_audio_and_data_channel.sdp").read_text()


def test_chromium() -> None:
    offer = parse_offer(CHROMIUM)
    audio = offer.audio
    assert (audio.format.codec, audio.format.payload_type, audio.format.clock_rate) == ("opus", 111, 48_000)
    assert audio.direction is Direction.SENDRECV
    assert audio.ssrcs == {1001}
    assert (audio.audio_level_id, audio.mid_id, audio.rtcp_rsize) == (1, 4, True)
    assert (offer.audio_index, offer.application_index, offer.bundled) == (0, 1, ("0", "1"))
    assert (offer.ice.ufrag, offer.ice.pwd) == ("EsAw", "bP+XJMM09aR8AiX1jdukzR6Y")
    assert offer.setup is DtlsRole.CLIENT
    assert [fingerprint.algorithm for fingerprint in offer.fingerprints] == ["sha-256"]
    assert offer.allow_mixed


@pytest.mark.parametrize(
    ("name", "codec", "payload_type", "role", "ssrcs", "has_application"),
    [
        ("chromium_video_first", "opus", 111, DtlsRole.CLIENT, {1001}, False),
        ("firefox_audio", "opus", 109, DtlsRole.CLIENT, {3735928559}, False),
        ("aiortc_with_candidates", "opus", 96, DtlsRole.CLIENT, {1868437530}, False),
        ("libdatachannel_audio_and_data_channel", "opus", 111, DtlsRole.CLIENT, {42}, True),
        ("pion_session_level_fingerprint", "opus", 111, DtlsRole.CLIENT, {2596996162}, False),
        ("embedded_client_pcma_active", "PCMA", 8, DtlsRole.SERVER, set(), False),
    ],
)
def test_other_clients(
    name: str, codec: str, payload_type: int, role: DtlsRole, ssrcs: set[int], has_application: bool
) -> None:
    offer = parse_offer((OFFERS / f"{name}.sdp").read_text())
    assert (offer.audio.format.codec, offer.audio.format.payload_type) == (codec, payload_type)
    assert offer.setup is role
    assert offer.audio.ssrcs == ssrcs
    assert (offer.application_index is not None) == has_application
    assert offer.fingerprints
    assert offer.media[offer.audio_index].kind == "audio"


def test_every_strong_fingerprint_counts() -> None:
    offer = parse_offer((OFFERS / "aiortc_with_candidates.sdp").read_text())
    assert [fingerprint.algorithm for fingerprint in offer.fingerprints] == ["sha-256", "sha-384", "sha-512"]


def test_line_ends_and_unknown_attributes_do_not_matter() -> None:
    assert parse_offer(CHROMIUM.replace("\r\n", "\n")) == parse_offer(CHROMIUM)
    assert parse_offer(
        CHROMIUM.replace("a=rtcp-rsize\r\n", "a=rtcp-rsize\r\na=x-new:7 \xe4\r\na=flag\r\n")
    ) == parse_offer(CHROMIUM)


def test_transport_attributes_may_stand_in_any_section_of_the_bundle() -> None:
    audio, application = CHROMIUM.split("m=application")
    without = "\r\n".join(
        line
        for line in audio.split("\r\n")
        if not line.startswith(("a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"))
    )
    assert parse_offer(f"{without}m=application{application}").ice == parse_offer(CHROMIUM).ice


REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "nothing": (lambda sdp: "", "sdp"),
    "not SDP": (lambda sdp: '{"type":"offer"}', "sdp"),
    "a broken line": (lambda sdp: sdp + "nonsense\r\n", "sdp"),
    "too long": (lambda sdp: sdp + "a=x:" + "y" * MAX_SDP_BYTES, "sdp"),
    "too many sections": (lambda sdp: sdp + "m=audio 9 RTP/AVP 0\r\n" * MAX_MEDIA_SECTIONS, "m="),
    "a broken media line": (lambda sdp: sdp.replace("m=audio 9 ", "m=audio "), "m="),
    "an impossible port": (lambda sdp: sdp.replace("m=audio 9 ", "m=audio 99999 "), "m="),
    "no audio": (lambda sdp: sdp.replace("m=audio", "m=video"), "m=audio"),
    "audio in the clear": (lambda sdp: sdp.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "m=audio"),
    "no ICE credentials": (lambda sdp: sdp.replace("a=ice-ufrag", "a=x"), "a=ice-ufrag"),
    "no ICE password": (lambda sdp: sdp.replace("a=ice-pwd", "a=x"), "a=ice-ufrag"),
    "a short ufrag": (lambda sdp: sdp.replace("EsAw", "abc"), "a=ice-ufrag"),
    "a ufrag with other characters": (lambda sdp: sdp.replace("EsAw", "ab:cd"), "a=ice-ufrag"),
    "a short password": (lambda sdp: sdp.replace("bP+XJMM09aR8AiX1jdukzR6Y", "short"), "a=ice-pwd"),
    "no fingerprint": (lambda sdp: sdp.replace("a=fingerprint", "a=x"), "a=fingerprint"),
    "only a weak fingerprint": (lambda sdp: sdp.replace("sha-256", "sha-1"), "a=fingerprint"),
    "a broken fingerprint": (lambda sdp: sdp.replace("7B:8B", "7B:ZZ"), "a=fingerprint"),
    "a short fingerprint": (lambda sdp: sdp.replace("7B:8B", "7B"), "a=fingerprint"),
    "no rtcp-mux": (lambda sdp: sdp.replace("a=rtcp-mux", "a=x"), "a=rtcp-mux"),
    "no codec of ours": (
        lambda sdp: sdp.replace("opus", "speex").replace(" 0 8 ", " ").replace("PCMU", "x").replace("PCMA", "y"),
        "a=rtpmap",
    ),
    "ICE-lite": (lambda sdp: sdp.replace("t=0 0", "t=0 0\r\na=ice-lite"), "a=ice-lite"),
    "holdconn": (lambda sdp: sdp.replace("actpass", "holdconn"), "a=setup"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_offer_that_cannot_be_served_says_why(fault: str) -> None:
    change, param = REFUSED[fault]
    with pytest.raises(OfferError) as refusal:
        parse_offer(change(CHROMIUM))
    assert refusal.value.param == param
    assert refusal.value.message.endswith(".")
    assert len(refusal.value.message) < 200


LINES = CHROMIUM.split("\r\n")


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=30).map(lambda text: f"a={text}")), max_size=60))
def test_any_mixture_of_lines_is_read_or_refused(lines: list[str]) -> None:
    with contextlib.suppress(OfferError):
        parse_offer("\r\n".join(["v=0", *lines]))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(OfferError):
        parse_offer(text)
