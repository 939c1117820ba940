"""What an offer says of the audio that the client receives, and what is made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.transceiver_scene import TransceiverScene
from transceiver.sdp.codecs import AudioFormat
from transceiver.sdp.lines import Section
from transceiver.sdp.reception import Reception, read_reception

OPUS = AudioFormat("opus", 111, 48_000)


def reception(*attributes: str) -> Reception:
    """Of a call whose offer has these attributes in its audio section, the fmtp line among them."""

    def rewrite(offer: str) -> str:
        kept = offer.replace("a=fmtp:111 minptime=10;useinbandfec=1\r\n", "")
        return kept.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\n" + "".join(f"a={each}\r\n" for each in attributes))

    return TransceiverScene().call(rewrite=rewrite).session.reception


def test_a_client_that_says_nothing_gets_the_usual() -> None:
    assert reception() == Reception()


def test_every_parameter_of_opus_is_read() -> None:
    wanted = reception("fmtp:111 maxplaybackrate=16000; maxaveragebitrate=20000;useinbandfec=1;usedtx=1", "ptime:40")
    assert wanted == Reception(20_000, 16_000, fec=True, dtx=True, frame_ms=40)


@pytest.mark.parametrize(
    ("attributes", "frame_ms"),
    [
        (("ptime:20",), 20),
        (("ptime:3",), 10),
        (("ptime:30",), 20),
        (("ptime:120",), 60),
        (("ptime:60", "maxptime:40"), 40),
        (("maxptime:10",), 10),
        (("fmtp:111 minptime=40",), 40),
        (("ptime:0",), 20),
        (("ptime:many",), 20),
    ],
)
def test_the_packet_time_is_the_nearest_that_is_allowed(attributes: tuple[str, ...], frame_ms: int) -> None:
    assert reception(*attributes).frame_ms == frame_ms


@pytest.mark.parametrize(
    "value", ["maxaveragebitrate=5", "maxaveragebitrate=-1", "maxplaybackrate=1e4", "usedtx", ";=;"]
)
def test_nonsense_is_as_good_as_nothing(value: str) -> None:
    assert reception(f"fmtp:111 {value}") == Reception()


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_attributes_are_survived(values: list[str]) -> None:
    section = Section("audio")
    for value in values:
        section.add("fmtp", f"111 {value}")
        section.add("ptime", value)
    assert read_reception(section, OPUS).frame_ms in (10, 20, 40, 60)
