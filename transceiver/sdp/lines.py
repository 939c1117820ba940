"""SDP as lines: a session section and one section per media description (RFC 8866 section 5).

Bounded before anything else: an offer is read once, and none of it is kept.
https://www.rfc-editor.org/rfc/rfc8866#section-5
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from transceiver.sdp.errors import OfferError

MAX_SDP_BYTES = 65_536
"""Stock browsers send 1 to 8 KB; video with many codecs and candidates stays below 20."""
MAX_MEDIA_SECTIONS = 32
"""More than any client of a voice service offers; the answer has to repeat each of them."""

_MAX_DIGITS = 20


def read_number(text: str | None, most: int) -> int | None:
    """A decimal number of at most `most`; None for whatever else stands there, however long it is."""
    if text is None or not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        return None
    number = int(text)
    return number if number <= most else None


@dataclass(slots=True)
class Section:
    """The lines of one section; of each attribute all values in order, "" for a property attribute."""

    media: str = ""
    _values: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        """Appends an attribute."""
        self._values.setdefault(name, []).append(value)

    def first(self, name: str) -> str | None:
        """The first value of attribute `name`."""
        values = self._values.get(name)
        return values[0] if values else None

    def every(self, name: str) -> Iterator[str]:
        """Every value of attribute `name`."""
        return iter(self._values.get(name, ()))

    def has(self, name: str) -> bool:
        """Whether attribute `name` occurs."""
        return name in self._values


def split_sections(sdp: str) -> tuple[Section, list[Section]]:
    """Splits a description into its session section and its media sections.

    Lines other than m= and a= are checked for their form only; they say nothing that a session needs.

    Raises:
        OfferError: this is no SDP, or too much of it.
    """
    if len(sdp) > MAX_SDP_BYTES:
        raise OfferError(f"The offer is longer than {MAX_SDP_BYTES} bytes.", "sdp")
    lines = sdp.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != "v=0":
        raise OfferError("The body is not SDP: its first line must be 'v=0'.", "sdp")
    session = Section()
    media: list[Section] = []
    current = session
    for number, line in enumerate(lines, 1):
        kind = line[:2]
        if kind == "a=":
            name, _, value = line[2:].partition(":")
            current.add(name.strip(), value.strip())
        elif kind == "m=":
            current = Section(media=line[2:].strip())
            media.append(current)
        elif line.strip() and not (kind[1:] == "=" and kind[0].isalpha()):
            raise OfferError(f"Line {number} of the offer is not of the form 'x=…'.", "sdp")
    if len(media) > MAX_MEDIA_SECTIONS:
        raise OfferError(f"The offer has more than {MAX_MEDIA_SECTIONS} media sections.", "m=")
    return session, media
