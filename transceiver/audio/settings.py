"""What can be set about codecs."""

from typing import Final

from pydantic import Field

from offhook.service.config import Config

CLOCK_RATES: Final = {"opus": 48_000, "PCMU": 8_000, "PCMA": 8_000}
"""Of a codec's RTP timestamps, in Hz."""


class AudioSettings(Config):
    """How audio is decoded and encoded for models that take or give samples."""

    threads: int = Field(1, ge=1, le=64, description="Threads that decode and encode; each serves some 70 calls.")
    opus_bitrate: int = Field(32_000, ge=6_000, le=510_000, description="Of the Opus made for callers, in bit/s.")
    opus_complexity: int = Field(
        5, ge=0, le=10, description="Of that Opus: 10 sounds best and costs a quarter more than 5."
    )
