"""The answer, line by line where a client depends on it."""

from pathlib import Path

import pytest

from transceiver.sdp.answer import LocalDescription, build_answer
from transceiver.sdp.credentials import DtlsRole, Fingerprint, IceCredentials
from transceiver.sdp.offer import parse_offer
from wire.address import Address

OFFERS = Path(__file__).parents[2] / "data" / "offers"
CHROMIUM = (OFFERS / "chromium_audio_and_data_channel.sdp").read_text()


def answer_to(sdp: str, *, data_channels: bool = False, candidates: tuple[Address, ...] | None = None) -> list[str]:
    offer = parse_offer(sdp)
    local = LocalDescription(
        sdp_id=1,
        version=1,
        ice=IceCredentials("A" + "b" * 22, "p" * 24),
        fingerprint=Fingerprint("sha-256", bytes(range(32))),
        role=offer.setup,
        candidates=candidates or (Address("203.0.113.1", 3478), Address("2001:db8::1", 443)),
        ssrc=77,
        cname="cname",
        data_channels=data_channels,
    )
    answer = build_answer(offer, local)
    assert answer.endswith("\r\n")
    return answer.split("\r\n")[:-1]


def sections(lines: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            found.append([])
        found[-1].append(line)
    return found


def test_answer_to_chromium() -> None:
    session, audio, application = sections(answer_to(CHROMIUM))
    assert "a=ice-lite" in session
    assert "a=group:BUNDLE 0" in session
    assert "a=extmap-allow-mixed" in session
    assert audio[0] == "m=audio 3478 UDP/TLS/RTP/SAVPF 111 110"
    for line in (
        "c=IN IP4 203.0.113.1",
        "a=mid:0",
        f"a=ice-ufrag:A{'b' * 22}",
        "a=setup:active",
        "a=fingerprint:sha-256 " + bytes(range(32)).hex(":").upper(),
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:110 telephone-event/48000",
        "a=fmtp:110 0-15",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=sendrecv",
        "a=ssrc:77 cname:cname",
        "a=candidate:1 1 udp 2130706431 203.0.113.1 3478 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 443 typ host",
        "a=end-of-candidates",
    ):
        assert line in audio
    assert "a=rtcp-fb:111 transport-cc" in audio
    assert not any("abs-send-time" in line for line in audio)
    assert application[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"


def test_data_channel_is_accepted_where_it_is_served() -> None:
    session, _, application = sections(answer_to(CHROMIUM, data_channels=True))
    assert "a=group:BUNDLE 0 1" in session
    assert application[0] == "m=application 3478 UDP/DTLS/SCTP webrtc-datachannel"
    for line in ("a=mid:1", "a=setup:active", "a=sctp-port:5000", "a=max-message-size:262144"):
        assert line in application


def test_video_is_rejected_and_the_order_of_sections_kept() -> None:
    session, video, audio = sections(answer_to((OFFERS / "chromium_video_first.sdp").read_text()))
    assert "a=group:BUNDLE 1" in session
    assert video == ["m=video 0 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:0", "a=inactive"]
    assert "a=mid:1" in audio


def test_second_audio_section_is_rejected() -> None:
    audio = CHROMIUM[CHROMIUM.index("m=audio") : CHROMIUM.index("m=application")].replace("a=mid:0", "a=mid:2")
    answered = sections(answer_to(CHROMIUM + audio))
    assert answered[3][0] == "m=audio 0 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126"


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_direction_is_reversed(offered: str, answered: str) -> None:
    audio = sections(answer_to(CHROMIUM.replace("a=sendrecv", f"a={offered}")))[1]
    assert f"a={answered}" in audio
    assert any(line.startswith("a=ssrc:") for line in audio) == (answered in ("sendrecv", "sendonly"))


def test_client_without_bundle_and_mid_gets_none() -> None:
    session, audio = sections(answer_to((OFFERS / "embedded_client_pcma_active.sdp").read_text()))
    assert not any(line.startswith("a=group") for line in session)
    assert audio[0] == "m=audio 3478 UDP/TLS/RTP/SAVP 8"
    assert "a=setup:passive" in audio
    assert "a=rtpmap:8 PCMA/8000" in audio
    assert not any(line.startswith(("a=mid", "a=fmtp")) for line in audio)


def test_ipv6_candidate_is_the_default_where_it_is_first() -> None:
    audio = sections(answer_to(CHROMIUM, candidates=(Address("2001:db8::1", 443),)))[1]
    assert audio[0].startswith("m=audio 443 ")
    assert "c=IN IP6 2001:db8::1" in audio


@pytest.mark.parametrize("name", sorted(path.stem for path in OFFERS.glob("*.sdp")))
def test_each_section_of_an_offer_is_answered(name: str) -> None:
    sdp = (OFFERS / f"{name}.sdp").read_text()
    kinds = [line.split()[0] for line in sdp.splitlines() if line.startswith("m=")]
    for data_channels in (False, True):
        answered = answer_to(sdp, data_channels=data_channels)
        assert [line.split()[0] for line in answered if line.startswith("m=")] == kinds
        role = DtlsRole.SERVER if "a=setup:active" in sdp else DtlsRole.CLIENT
        assert f"a=setup:{role}" in answered


@pytest.mark.parametrize(
    ("attribute", "answered"),
    [
        ("a=rtcp-fb:111 nack", True),
        ("a=rtcp-fb:* nack", True),
        ("a=rtcp-fb:111 nack pli", False),
        ("a=rtcp-fb:110 nack", False),
        ("a=rtcp-fb:111 goog-remb", False),
    ],
)
def test_nack_is_answered_where_it_is_offered_for_our_codec(attribute: str, answered: bool) -> None:
    offer = CHROMIUM.replace("a=rtcp-fb:111 transport-cc", f"a=rtcp-fb:111 transport-cc\r\n{attribute}")
    assert offer != CHROMIUM
    assert ("a=rtcp-fb:111 nack" in answer_to(offer)) is answered
    # The profile without feedback has none (RFC 4585 section 4.2).
    assert not any("rtcp-fb" in line for line in answer_to(offer.replace("RTP/SAVPF", "RTP/SAVP")))


def test_telephone_events_have_the_clock_of_the_codec_or_else_8_khz() -> None:
    firefox = (OFFERS / "firefox_audio.sdp").read_text()
    audio = sections(answer_to(firefox))[1]
    assert audio[0] == "m=audio 3478 UDP/TLS/RTP/SAVPF 109 101"
    assert "a=rtpmap:101 telephone-event/8000" in audio
    assert "a=fmtp:101 0-15" in audio
    without = "\r\n".join(line for line in firefox.splitlines() if ":101 " not in line)
    assert not any("telephone-event" in line for line in answer_to(without))
