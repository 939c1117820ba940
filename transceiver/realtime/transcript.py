"""The words of a spoken answer with their places in its audio, so that they can be cut where it was."""

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class _Piece:
    start_us: int
    text: str


class Transcript:
    """Words by media time within the response's audio."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()

    @property
    def text(self) -> str:
        """All words."""
        return "".join(piece.text for piece in self._pieces)

    def add(self, text: str, start_us: int) -> None:
        """More words, which begin at `start_us`; never before those before them."""
        if self._pieces:
            start_us = max(start_us, self._pieces[-1].start_us)
        self._pieces.append(_Piece(start_us, text))

    def cut(self, at_us: int, audio_us: int) -> str:
        """Forgets the words that begin at `at_us` or later; returns what is left.

        A piece of several words that is cut within keeps as many whole words as its share of the time: words are taken
        to be spoken evenly from the piece's start to the next one's, or to the end of the audio, `audio_us`.
        """
        while self._pieces and self._pieces[-1].start_us >= at_us:
            audio_us = self._pieces.pop().start_us
        if self._pieces and at_us < audio_us:
            last = self._pieces[-1]
            share = (at_us - last.start_us) / (audio_us - last.start_us)
            last.text = _whole_words(last.text, int(len(last.text) * share))
        return self.text


def _whole_words(text: str, length: int) -> str:
    """The words of `text` that end within its first `length` characters."""
    if length >= len(text) or text[length : length + 1].isspace():
        return text[:length]
    begin, end = text[:length], len(text[:length].rstrip())
    boundary = max((index for index, character in enumerate(begin) if character.isspace()), default=0)
    return begin[:boundary] if end else ""
