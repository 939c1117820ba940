"""Words that are certain while the sentence is still being spoken. Sans-IO."""


class StableWords:
    """Turns a growing, changing transcript into words that are never taken back.

    A word is certain when two transcripts in a row, the second of more audio, agree on it and on all before it
    (LocalAgreement-2: https://arxiv.org/abs/2307.14743).
    """

    def __init__(self) -> None:
        self._told: list[str] = []
        self._last: list[str] = []

    def update(self, transcript: str) -> str:
        """The words that became certain, with the space before them; empty if none."""
        words = transcript.split()
        agreed = 0
        while agreed < min(len(words), len(self._last)) and words[agreed] == self._last[agreed]:
            agreed += 1
        self._last = words
        return self._tell(words[:agreed])

    def finish(self, transcript: str) -> str:
        """The rest, of the final transcript; empty if it contradicts what was told."""
        return self._tell(transcript.split())

    def _tell(self, certain: list[str]) -> str:
        known = len(self._told)
        if len(certain) <= known or certain[:known] != self._told:
            return ""
        self._told = certain
        return (" " if known else "") + " ".join(certain[known:])
