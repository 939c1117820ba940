"""One caller's speech to text, ahead of the moment it is needed.

While the caller speaks, what was said so far is written down again and again, so that words show early. In every pause
it is written down in case the turn ends there: when the fabric commits the turn, half a second of silence later, the
transcript is ready.
"""

import asyncio
from dataclasses import dataclass, field

from offhook_worker.agent.hearing import (
    EARLIEST_CUT_S,
    LONGEST_PIECE_S,
    SAMPLE_RATE_HZ,
    Drafted,
    Samples,
    SpeechToText,
)
from offhook_worker.agent.partials import StableWords
from offhook_worker.agent.pauses import PauseDetector, quietest
from offhook_worker.agent.pool import PoolFull, Urgency
from offhook_worker.audio import Audio
from offhook_worker.dialogue import Dialogue
from offhook_worker.events import Event, TurnEvent, TurnKind
from offhook_worker.outputs import InputTranscription
from offhook_worker.samples import float32
from offhook_worker.turn import Listener
from offhook_worker.utterance import Utterance

PAUSE_US = 140_000
"""So long a pause is worth a transcript: longer than between words, far shorter than what ends a turn."""
PARTIAL_EVERY_US = 700_000
"""Of new audio, for transcripts that the caller wants to watch growing."""


@dataclass(slots=True)
class _Draft:
    """A turn's transcript up to `end_us`. Not `text` yet: it is being written."""

    end_us: int
    task: "asyncio.Task[None] | None" = None
    text: str | None = None


@dataclass(slots=True)
class _Ongoing:
    """A turn that the caller is in."""

    item_id: str
    start_us: int
    drafted_us: int
    """Up to here a transcript was attempted."""
    settled: list[str] = field(default_factory=list)
    """What was said before `start_us`, of a long turn."""
    draft: _Draft | None = None
    words: StableWords = field(default_factory=StableWords)


class Ear(Listener):
    """Listens to one call."""

    def __init__(self, dialogue: Dialogue, recogniser: SpeechToText, drafted: Drafted) -> None:
        self._dialogue = dialogue
        self._recogniser = recogniser
        self._drafted = drafted
        self._pauses = PauseDetector()
        self._ongoing: _Ongoing | None = None

    def event(self, event: Event) -> None:
        """Audio and turns; the rest is not for the ear."""
        if isinstance(event, Audio):
            self._pauses.hear(float32(event), event.media_time_us, event.duration_us)
            if self._ongoing is not None:
                self._draft(self._ongoing, event.media_time_us)
        elif isinstance(event, TurnEvent):
            if event.kind is TurnKind.SPEECH_STARTED:
                self._forget()
                self._ongoing = _Ongoing(event.item_id, event.start_us, drafted_us=event.start_us)
            elif event.kind is TurnKind.CLEARED:
                self._forget()

    async def transcript(self, item_id: str, utterance: Utterance) -> str:
        """The words of a committed turn: mostly those of the last pause."""
        ongoing = self._ongoing if self._ongoing is not None and self._ongoing.item_id == item_id else None
        if ongoing is None:
            return await self._write_down(float32(utterance))
        self._ongoing = None
        text = await self._finish(ongoing, utterance)
        if self._dialogue.wants_transcripts and (rest := ongoing.words.finish(text)):
            await self._dialogue.send(InputTranscription(item_id, delta=rest))
        return text

    # -- drafts ------------------------------------------------------------------------------------------------------

    def _draft(self, ongoing: _Ongoing, now_us: int) -> None:
        """Writes down what was said so far, if that is worth while now and no other draft is being written."""
        if ongoing.draft is not None and ongoing.draft.task is not None:
            return
        quiet_since_us = self._pauses.quiet_since_us
        has_news = self._pauses.voiced_until_us > ongoing.drafted_us
        in_pause = quiet_since_us is not None and now_us - quiet_since_us >= PAUSE_US
        is_due = self._dialogue.wants_transcripts and now_us - ongoing.drafted_us >= PARTIAL_EVERY_US
        if has_news and (in_pause or is_due):
            ongoing.drafted_us = now_us
            # The audio now: when the task first runs, the turn may be over and its audio claimed.
            utterance = self._dialogue.heard(ongoing.start_us)
            ongoing.draft = draft = _Draft(now_us)
            draft.task = self._dialogue.spawn(self._write_draft(ongoing, draft, utterance))

    async def _write_draft(self, ongoing: _Ongoing, draft: _Draft, utterance: Utterance) -> None:
        samples = float32(utterance)
        try:
            if utterance.duration_s > LONGEST_PIECE_S:
                samples = await self._settle(ongoing, samples)
            draft.text = await self._recogniser.write_down(self._dialogue, samples, Urgency.AHEAD)
        except PoolFull:
            return  # too late to be of use; the turn is written down when it is committed
        finally:
            draft.task = None
        whole = " ".join((*ongoing.settled, draft.text))
        if self._ongoing is ongoing and self._pauses.voiced_until_us <= draft.end_us:
            self._drafted(ongoing.item_id, whole)
        if self._dialogue.wants_transcripts and (delta := ongoing.words.update(whole)):
            await self._dialogue.send(InputTranscription(ongoing.item_id, delta=delta))

    async def _settle(self, ongoing: _Ongoing, samples: Samples) -> Samples:
        """Writes down the beginning of a long turn for good; returns the rest."""
        cut = quietest(samples, SAMPLE_RATE_HZ, EARLIEST_CUT_S, LONGEST_PIECE_S)
        text = await self._recogniser.write_down(self._dialogue, samples[:cut], Urgency.AHEAD)
        ongoing.settled.append(text)
        ongoing.start_us += cut * 1_000_000 // SAMPLE_RATE_HZ
        return samples[cut:]

    async def _finish(self, ongoing: _Ongoing, utterance: Utterance) -> str:
        draft = ongoing.draft
        text = None
        if draft is not None and self._pauses.voiced_until_us <= draft.end_us:
            if draft.task is not None:
                self._recogniser.hurry(self._dialogue)
                await asyncio.wait([draft.task])
            text = draft.text
        elif draft is not None and draft.task is not None:
            draft.task.cancel()
        if text is None:
            skip = max(0, ongoing.start_us - utterance.start_us) * SAMPLE_RATE_HZ // 1_000_000
            text = await self._write_down(float32(utterance)[skip:])
        return " ".join(filter(None, (*ongoing.settled, text)))

    async def _write_down(self, samples: Samples) -> str:
        return await self._recogniser.write_down(self._dialogue, samples, Urgency.CALLER_WAITS)

    def _forget(self) -> None:
        if self._ongoing is not None and self._ongoing.draft is not None and self._ongoing.draft.task is not None:
            self._ongoing.draft.task.cancel()
        self._ongoing = None
