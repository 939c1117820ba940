"""Frame durations, without decoding. Cases follow RFC 6716 section 3.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transceiver.playout.frame_duration import duration_us


@pytest.mark.parametrize(
    ("packet", "expected_us"),
    [
        (bytes([0x78]), 20_000),  # config 15: hybrid, fullband, 20 ms
        (bytes([0x08]), 20_000),  # config 1: SILK, narrowband, 20 ms
        (bytes([0x18]), 60_000),  # config 3: SILK, narrowband, 60 ms
        (bytes([0x80]), 2_500),  # config 16: CELT, 2.5 ms
        (bytes([0xFC]), 20_000),  # config 31: CELT, fullband, 20 ms, stereo
        (bytes([0x79, 0]), 40_000),  # two frames
        (bytes([0x7B, 3]), 60_000),  # three frames by count
        (b"", 0),
        (bytes([0x7B]), 0),  # a count is missing
        (bytes([0x7B, 63]), 0),  # longer than 120 ms
    ],
)
def test_opus(packet: bytes, expected_us: int) -> None:
    assert duration_us("opus", packet) == expected_us


def test_g711_is_eight_bytes_a_millisecond() -> None:
    assert duration_us("PCMU", bytes(160)) == 20_000


@given(st.binary(max_size=4))
def test_any_bytes_have_a_duration_up_to_120_ms(packet: bytes) -> None:
    assert 0 <= duration_us("opus", packet) <= 120_000
