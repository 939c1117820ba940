"""Recognition, a brain and a voice joined for any number of calls; each part may be local or far away."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Protocol

from offhook_worker.agent.brain.interface import Brain, ForgetReminders, Remind, Reminder, ToolCall
from offhook_worker.agent.foresight import Foresight, SpeakingAhead
from offhook_worker.agent.hearing import Drafted
from offhook_worker.agent.prompts import count_words, read_prompt
from offhook_worker.agent.reminders import Reminders, Say
from offhook_worker.agent.thoughts import Thoughts
from offhook_worker.dialogue import Dialogue
from offhook_worker.events import Event
from offhook_worker.model import Capability, Model, pcm
from offhook_worker.replies import CallFunction, Reply, Speech
from offhook_worker.sentences import sentences
from offhook_worker.turn import STAGE_MODEL, Listener, Turn
from offhook_worker.turn_worker import TurnWorker
from offhook_worker.utterance import Utterance
from offhook_worker.worker import Load

FIRST_PIECE_CHARACTERS = 45
"""Three seconds of speech, in which the rest is made: what the caller waits for should not be more."""
CAPABILITIES = frozenset(
    {
        Capability.TEXT_INPUT,
        Capability.TEXT_OUTPUT,
        Capability.INPUT_TRANSCRIPTION,
        Capability.FUNCTION_CALLS,
        Capability.HISTORY,
    }
)


class Part(Protocol):
    """One stage of a cascade. It serves all calls of the process."""

    def load(self) -> Load:
        """What this stage has to do; asked every second."""
        ...


class Hearing(Part, Protocol):
    """Speech to text."""

    def listen(self, dialogue: Dialogue, drafted: Drafted) -> Listener:
        """A new call's ear, which writes down its turns."""
        ...


class Speaking(Part, Protocol):
    """Text to speech."""

    def speak(self, turn: Turn, sentence: str) -> AsyncGenerator[Speech, None]:
        """One sentence (with the space before it) as sound, in one piece or in several as they come.

        Cancelled or closed, at once, when nobody wants the rest.
        """
        ...


class Cascade(TurnWorker):
    """Hears, thinks and speaks, sentence by sentence while the brain still thinks.

    Args:
        models: what it serves; 16 kHz PCM in, the voice's rate out.
        ahead: makes the beginning of an answer in every pause of the caller, which asks the brain as often; None:
            nothing is made that may go unheard, as where it is paid for.
    """

    def __init__(
        self,
        models: Sequence[Model],
        hearing: Hearing,
        brain: Brain,
        speaking: Speaking,
        ahead: SpeakingAhead | None = None,
    ) -> None:
        self.models = models
        self._hearing = hearing
        self._brain = brain
        self._speaking = speaking
        self._ahead = ahead

    def listen(self, dialogue: Dialogue) -> Listener:
        """A call begins."""
        call = CascadeCall(dialogue, self._remind)
        if self._ahead is not None:
            call.foresight = Foresight(dialogue, call, self._first_sentence, self._ahead)
        call.ear = self._hearing.listen(dialogue, call.drafted)
        return call

    async def respond(self, turn: Turn) -> AsyncIterator[Reply]:
        """Answers."""
        assert isinstance(turn.listener, CascadeCall)
        call = turn.listener
        prompt = read_prompt(turn, call.reminders.pending)
        turn.usage.input_text_tokens = count_words(prompt.conversation, prompt.instructions)
        # An engine generates until it is told to stop, so streams are closed, not left for the collector to find.
        async with aclosing(self._brain.stream(prompt)) as stream:
            thoughts = Thoughts(turn, stream)
            async for sentence in sentences(thoughts.text(), longest_first=FIRST_PIECE_CHARACTERS):
                turn.mark(STAGE_MODEL)
                if (foreseen := await call.foreseen(turn, sentence)) is not None:
                    yield foreseen
                    continue
                async with aclosing(self._say(turn, sentence)) as replies:
                    async for reply in replies:
                        yield reply
        for action in thoughts.actions:
            match action:
                case ToolCall(arguments=str(arguments)):
                    yield CallFunction(action.name, arguments)
                case ToolCall():
                    yield CallFunction(action.name, json.dumps(action.arguments))
                case Remind():
                    call.reminders.add(action.reminder)
                case ForgetReminders():
                    call.reminders.clear()

    def load(self) -> Load:
        """Of the busiest part: it is what calls wait for."""
        return busiest([self._hearing.load(), self._speaking.load()])

    async def _first_sentence(self, turn: Turn) -> str:
        assert isinstance(turn.listener, CascadeCall)
        async with aclosing(self._brain.stream(read_prompt(turn, turn.listener.reminders.pending))) as stream:
            texts = sentences(Thoughts(turn, stream).text(), longest_first=FIRST_PIECE_CHARACTERS)
            return await anext(texts, "")

    async def _say(self, turn: Turn, sentence: str) -> AsyncGenerator[Reply, None]:
        """One sentence, spoken or written."""
        if not turn.wants_speech:
            yield sentence
            return
        async with aclosing(self._speaking.speak(turn, sentence)) as spoken:
            async for speech in spoken:
                yield speech

    async def _remind(self, reminder: Reminder, turn: Turn) -> AsyncIterator[Reply]:
        async with aclosing(self._say(turn, reminder.label)) as replies:
            async for reply in replies:
                yield reply


class CascadeCall(Listener):
    """What a cascade keeps of one call."""

    def __init__(self, dialogue: Dialogue, say: Say) -> None:
        self.ear = Listener()
        self.foresight: Foresight | None = None
        self.reminders = Reminders(dialogue, say)

    def event(self, event: Event) -> None:
        """For the ear."""
        self.ear.event(event)

    async def transcript(self, item_id: str, utterance: Utterance) -> str | None:
        """From the ear."""
        return await self.ear.transcript(item_id, utterance)

    def drafted(self, item_id: str, transcript: str) -> None:
        """The turn may end here: the answer to it may begin."""
        if self.foresight is not None:
            self.foresight.drafted(item_id, transcript)

    async def foreseen(self, turn: Turn, sentence: str) -> Speech | None:
        """The sound of an answer's first sentence, if it was made ahead."""
        return await self.foresight.take(turn, sentence) if self.foresight is not None and turn.wants_speech else None


def cascade_model(name: str, output_rate_hz: int, capabilities: frozenset[Capability] = CAPABILITIES) -> Model:
    """A cascade as the fabric sees it."""
    return Model(name, (pcm(16_000),), (pcm(output_rate_hz),), capabilities)


def busiest(loads: Sequence[Load]) -> Load:
    """The load of a chain is that of its fullest link, number by number."""
    return Load(
        utilization=max(load.utilization for load in loads),
        real_time_factor=max(load.real_time_factor for load in loads),
        queue_delay_ms=max(load.queue_delay_ms for load in loads),
        is_full=any(load.is_full for load in loads),
    )
