"""Frames of silence, 20 ms each: what ends audio that is cut off.

A client whose packets stop in the middle of a word makes up how it might go on, and fades that out: an answer that was
interrupted would be heard for another tenth or two of a second. After silence there is nothing to go on with.
"""

from typing import Final

FRAME_US: Final = 20_000
FRAMES: Final = 2
"""One of them may be lost."""
LEVEL_DBOV: Final = 127

SILENCE: Final = {"opus": b"\xf8\xff\xfe", "PCMU": b"\xff" * 160, "PCMA": b"\xd5" * 160}
"""By codec. Opus: full band CELT, 20 ms, mono (RFC 6716 section 3.1), and nothing in it."""
